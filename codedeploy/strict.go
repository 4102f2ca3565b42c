package codedeploy

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// strict passes an archive on as long as its headers leave no doubt where the next one is. GNU tar looks for a header in what
// package tar takes for a file's content where it cannot read a size or a checksum that package tar can.
type strict struct {
	r       io.Reader
	block   [512]byte
	rest    []byte // of block
	headers int
	content int64 // blocks until the next header
	end     bool
}

func (s *strict) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.end {
			return s.r.Read(p)
		}
		if _, err := io.ReadFull(s.r, s.block[:]); err != nil {
			return 0, err
		}
		if err := s.look(); err != nil {
			return 0, err
		}
		s.rest = s.block[:]
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// The fields of a header as all that write tar today write them.
var (
	sizeField     = regexp.MustCompile(`^[0-7]{11}[\x00 ]$`)
	checksumField = regexp.MustCompile(`^[0-7]{6,7}[\x00 ]{1,2}$`)
)

func (s *strict) look() error {
	if s.content > 0 {
		s.content--
		return nil
	}
	if s.block == [512]byte{} {
		s.end = true
		return nil
	}
	size, sum, kind := s.block[124:136], s.block[148:156], s.block[156]
	if !sizeField.Match(size) || !checksumField.Match(sum) {
		return fmt.Errorf("a header has the size %q and the checksum %q, which not every tar reads alike (or a file has 8 GiB)", size, sum)
	}
	// Package tar forgets the header before a global one, which GNU tar applies to the entry after it.
	if kind == tar.TypeXGlobalHeader && s.headers > 0 {
		return errors.New("a global header is not at its beginning")
	}
	n, err := strconv.ParseInt(string(size[:11]), 8, 64)
	s.headers++
	s.content = (n + 511) / 512
	return err
}
