package sshx

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// NewKey makes an Ed25519 key pair, for a host or for a user: the private key as OpenSSH PEM,
// the public key as one authorized_keys line without comment.
func NewKey() (private, public string) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not return errors
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		panic(err) // an Ed25519 key is always encodable
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(block)), authorizedKey(key)
}

// PublicKey returns the public half of a private key in PEM as one authorized_keys line without comment.
func PublicKey(private string) (string, error) {
	signer, err := ssh.ParsePrivateKey([]byte(private))
	if err != nil {
		return "", fmt.Errorf("sshx: parse private key: %w", err)
	}
	return authorizedKey(signer.PublicKey()), nil
}

func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
