// Package provision brings a host to a desired state: packages, users, directories, files, links, systemd units and
// guarded commands, in the order in which they are written down.
//
// The state of a host is a plain value. One script gathers the facts of the host, [Compare] computes the difference
// here, one script applies it: two round trips however long the list, and none of the second where nothing differs.
// The same difference, printed, is the dry run.
//
//	state := provision.State{Steps: []provision.Step{
//		provision.Packages{Names: []string{"apache2"}},
//		provision.Config{
//			Name:  "apache2",
//			Files: []provision.File{{Path: "/etc/apache2/sites-available/shop.conf", Content: text}},
//			Links: []provision.Link{{Path: "/etc/apache2/sites-enabled/shop.conf", Target: "../sites-available/shop.conf"}},
//			Check: "apache2ctl -t",
//		},
//		provision.Unit{Name: "apache2.service", ReloadOn: []string{"/etc/apache2/"}},
//	}}
//	results, err := provision.Run(ctx, []provision.Target{{Name: "web-1", Host: host, State: state}}, provision.Options{})
//
// # What holds
//
// Every step can run twice. The program, the connection and the shell on the host can be killed at any instant: the
// next run converges, and what a killed run left behind (temporary files, a configuration that was swapped in but not
// yet checked, a package that is half configured, a reload that is still owed) is mended by it.
//
// A configuration that its own server refuses never replaces the good one: [File.Check] looks at the new file in a
// temporary place, [Config.Check] at the whole tree, which is put back as it was where the check fails.
//
// Two runs on one host never interleave: they hold a lock on the host, and a plan made before another one was
// applied is refused as [ErrStale].
//
// Secrets are of type [Secret]. They travel on the connection only, lie on the host in a directory that only root
// can read until they are in place, and appear in no plan, event, error, script or process list.
//
// A path may lead through directories of other users, such as an application's shared ones. What is done below them
// is done to what lies there, never to what a link of theirs points to, however often they exchange the two: links
// are followed only where nobody but root can make them.
//
// # What it will not do
//
// It removes nothing that it is not told to remove: a step that is no longer in the state stays on the host as it is;
// [Absent], [UnitStopped] and [Config].Owns take things away. It upgrades no package that is installed. Hosts are Debian or Ubuntu
// with systemd; Python is not needed.
package provision
