package site

import (
	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site/internal/layout"
)

// Target is where releases lie on a host of the site.
func (s Site) Target(h sshx.Host) codedeploy.Target {
	return codedeploy.Target{
		Host: h, Root: s.Root(), Owner: layout.DeployUser, Group: layout.DeployUser, Keep: layout.KeepReleases,
		LinkedDirs: s.App.LinkedDirs, LinkedFiles: s.App.LinkedFiles, Writable: layout.AppUser,
	}
}
