package mysqlrepl

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Made by glibc's crypt(3).
func TestSHA256Crypt(t *testing.T) {
	for _, v := range []struct {
		password, salt string
		rounds         int
		want           string
	}{
		{"Hello world!", "saltstring", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
		{"Hello world!", "saltstringsaltst", 10000, "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"},
		{"This is just a test", "toolongsaltstrin", 5000, "Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"},
		{"a much longer passphrase that is more than thirty-two bytes", "abcdefghijklmnop", 5000, "Tw5gVJOScsWXqWWx1XhizH8MQOCCHzhD6/bCPaYjHR3"},
	} {
		require.Equal(t, v.want, string(sha256Crypt([]byte(v.password), []byte(v.salt), v.rounds)))
	}
}

func TestMatchesCachingSHA2RefusesWhatItCannotRead(t *testing.T) {
	for _, stored := range []string{"", "$A$005$", "$B$005$" + string(make([]byte, 63)), "$A$zzz$" + string(make([]byte, 63))} {
		require.False(t, matchesCachingSHA2([]byte(stored), "any"))
	}
}
