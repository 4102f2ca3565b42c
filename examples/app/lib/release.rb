# The release that this process runs: the name of its directory, which stays what it was when `current` moves on.
module Release
  NAME = File.basename(File.realpath(File.join(__dir__, "..")))
end
