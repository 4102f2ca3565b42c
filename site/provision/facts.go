package provision

// Facts are what one script found out about a host, as far as a State asks for it.
type Facts struct {
	OS         OS
	Paths      map[string]PathFact // by path; a path that does not exist is not in it
	Packages   map[string]string   // dpkg's status by name: "installed", "half-configured"; none: never seen
	Candidates map[string]bool     // whether apt offers a name that is not installed
	Users      map[string]UserFact
	Groups     map[string]bool
	Units      map[string]UnitFact
	Instances  map[string][]string  // full names of the instances that exist, by template
	Guards     map[string]GuardFact // by Command.Name
	Free       map[string]int64     // bytes free, by directory: "/run", "/var/lib"

	// Generation counts the runs that changed the host; a plan is applied to the generation it was made from.
	Generation string
	// Owed are reloads, restarts and commands that an earlier run did not come to.
	Owed map[string]bool
	// Interrupted is the name of the Config whose check a killed run did not come to. The paths of it are
	// reported as they will be when it is rolled back.
	Interrupted string
	// Leftover says that a killed run left temporary files.
	Leftover bool
}

// OS is the host's operating system.
type OS struct {
	ID       string // "debian", "ubuntu"
	Version  string // "13", "24.04"
	Codename string // "trixie"
	Arch     string // dpkg's word: "amd64", "arm64"
}

// PathFact is what is at a path, links not followed.
type PathFact struct {
	Type   string // find's letter: "f", "d", "l", …
	Mode   uint32
	Owner  string // name, or number where it has none
	Group  string
	UID    string
	GID    string
	Size   int64
	Target string // of a link
	SHA256 string // of a file

	// Content is the text of a small file whose sum is not the wanted one, for the diff; Hidden is that of a Secret
	// with SecretKeys.
	Content string
	Hidden  Secret
	HasText bool
}

// UserFact is what getent and id say of a user.
type UserFact struct {
	Group  string // primary
	Groups []string
	Home   string
	Shell  string
}

// UnitFact is what systemctl says of a unit, in its words.
type UnitFact struct {
	Load       string // "loaded", "not-found", "masked"
	Active     string // "active", "inactive", "failed"
	Sub        string // "running", "exited", "auto-restart"
	File       string // "enabled", "disabled", "static", "masked"
	NeedReload bool   // its file changed since systemd read it
}

// GuardFact is how the guards of a command came out.
type GuardFact struct {
	Satisfied bool // Unless exited 0
	Excluded  bool // OnlyIf exited other than 0

	// Said is what Unless wrote to its standard error where it exited other than 0; at most 2,000 bytes.
	Said string
}
