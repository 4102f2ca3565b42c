package mysqlrepl

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
)

// matchesCachingSHA2 reports whether a password is the one that MySQL stored as "$A$005$", twenty bytes of salt and
// a digest in the form of SHA-256 crypt with 5000 rounds.
// Source: U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6.
func matchesCachingSHA2(stored []byte, password string) bool {
	const prefix, saltLength = "$A$", 20
	if !bytes.HasPrefix(stored, []byte(prefix)) || len(stored) != len(prefix)+4+saltLength+43 {
		return false
	}
	thousands, err := strconv.ParseInt(string(stored[3:6]), 16, 32)
	if err != nil || thousands < 1 || stored[6] != '$' {
		return false
	}
	salt, digest := stored[7:7+saltLength], stored[7+saltLength:]
	return subtle.ConstantTimeCompare(digest, sha256Crypt([]byte(password), salt, int(thousands)*1000)) == 1
}

func sha256Crypt(password, salt []byte, rounds int) []byte {
	b := digestOf(password, salt, password)
	h := sha256.New()
	h.Write(password)
	h.Write(salt)
	h.Write(repeat(b, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			h.Write(b)
		} else {
			h.Write(password)
		}
	}
	a := h.Sum(nil)
	p := repeat(digestOf(bytes.Repeat(password, len(password))), len(password))
	s := repeat(digestOf(bytes.Repeat(salt, 16+int(a[0]))), len(salt))
	for i := range rounds {
		a = round(i, a, p, s)
	}
	return encode(a)
}

func round(i int, a, p, s []byte) []byte {
	h := sha256.New()
	first, last := a, p
	if i&1 == 1 {
		first, last = p, a
	}
	h.Write(first)
	if i%3 != 0 {
		h.Write(s)
	}
	if i%7 != 0 {
		h.Write(p)
	}
	h.Write(last)
	return h.Sum(nil)
}

func digestOf(parts ...[]byte) []byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// repeat makes n bytes of a digest that is written again and again.
func repeat(digest []byte, n int) []byte {
	return bytes.Repeat(digest, n/len(digest)+1)[:n]
}

// encode writes a digest in crypt's alphabet and order of bytes.
func encode(a []byte) []byte {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out []byte
	put := func(value uint, n int) {
		for range n {
			out = append(out, alphabet[value&0x3f])
			value >>= 6
		}
	}
	x, y, z := 0, 10, 20
	for range 10 {
		put(uint(a[x])<<16|uint(a[y])<<8|uint(a[z]), 4)
		x, y, z = z+1, x+1, y+1
	}
	put(uint(a[31])<<8|uint(a[30]), 3)
	return out
}
