package codedeploy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/codedeploy"
	"github.com/siteblocks/siteblocks/ec2x/sshx"
)

func TestValidateRefusesLinkedPathsByName(t *testing.T) {
	for _, c := range []struct {
		dirs, files []string
		parts       []string
	}{
		{[]string{"config"}, []string{"config/master.key"}, []string{`"config/master.key" lies within linked path "config"`}},
		{[]string{"public/system/uploads", "public/system"}, nil, []string{`"public/system/uploads" lies within linked path "public/system"`}},
		{[]string{"a/b/c/d", "a"}, nil, []string{`"a/b/c/d" lies within linked path "a"`}},
		{nil, []string{"a", "a/b"}, []string{`"a/b" lies within linked path "a"`}},
		{[]string{"a/b"}, []string{"a"}, []string{`"a/b" lies within linked path "a"`}},
		{[]string{"log"}, []string{"log"}, []string{`"log" is there twice`}},
		{[]string{"log", "log"}, nil, []string{`"log" is there twice`}},
		{[]string{"log", "log/"}, nil, []string{`"log/" is not a clean path`, `"log/" is there twice`}},
		{[]string{"log", "./log"}, nil, []string{`"./log" is not a clean path`, `"./log" is there twice`}},
		{[]string{"log"}, []string{"tmp/../log/x"}, []string{`"tmp/../log/x" is not a clean path`, `"log/x" lies within linked path "log"`}},
		{[]string{"a//b", "/etc", "", ".", "..", "../x", "a/../..", "x\ny", "x\x01", "b\xff"}, nil, []string{
			`"a//b"`, `"/etc"`, `""`, `"."`, `".."`, `"../x"`, `"a/../.."`, `"x\ny"`, `"x\x01"`, `"b\xff"`,
		}},
		{[]string{"REVISION/x"}, []string{"REVISION", "REVISION_TIME"}, []string{`"REVISION" is reserved`, `"REVISION_TIME" is reserved`, `"REVISION/x" is reserved`}},
	} {
		err := codedeploy.Target{Host: sshx.Local{}, Root: "/srv/shop", LinkedDirs: c.dirs, LinkedFiles: c.files}.Validate()
		for _, part := range c.parts {
			require.ErrorContains(t, err, part, "%q %q", c.dirs, c.files)
		}
	}
	good := codedeploy.Target{
		Host: sshx.Local{}, Root: "/srv/shop", LinkedDirs: []string{"log", "log.old", "public/system", "public/cache", "config/REVISION"},
		LinkedFiles: []string{"config/master.key", "config/master.key.old", "public/system-x"},
	}
	require.NoError(t, good.Validate())
}

func TestMigrateReadsNoEnvironmentThatOthersMayLink(t *testing.T) {
	target := codedeploy.Target{Host: sshx.Local{}, Root: "/srv/shop"}
	for _, file := range []string{"/srv/shop/shared/.env", "/srv/../srv/shop/.env"} {
		require.ErrorContains(t, target.Migrate(t.Context(), name(1), "true", file, "app"), "lies below /srv/shop")
	}
}
