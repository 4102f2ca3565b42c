package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Authority is the site's own certificate authority, for sites that were given no certificate. Browsers do not know it.
type Authority struct {
	Cert string // PEM
	Key  Secret // PEM, PKCS #8
}

// Certificate is a certificate with its key.
type Certificate struct {
	Cert string // PEM, with the chain
	Key  Secret // PEM, PKCS #8
}

// The authority and what it issues are renewed by making the site's secrets anew; a leaf stays below the 825 days that
// Apple's clients accept of a private authority.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 800 * 24 * time.Hour
)

func newAuthority(name string) (Authority, error) {
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name + " local authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Authority{}, err
	}
	cert, keyPEM, err := sign(tmpl, tmpl, key, key)
	return Authority{cert, keyPEM}, err
}

// issue makes a certificate for names, of which there is at least one.
func (a Authority) issue(names []string) (Certificate, error) {
	caBlock, _ := pem.Decode([]byte(a.Cert))
	keyBlock, _ := pem.Decode([]byte(string(a.Key)))
	if caBlock == nil || keyBlock == nil {
		return Certificate{}, fmt.Errorf("site: local authority: no PEM block")
	}
	ca, err := x509.ParseCertificate(caBlock.Bytes)
	if err != nil {
		return Certificate{}, fmt.Errorf("site: local authority: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return Certificate{}, fmt.Errorf("site: local authority: %w", err)
	}
	caKey, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return Certificate{}, fmt.Errorf("site: local authority: key is %T, not ECDSA", parsed)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, keyPEM, err := sign(leaf, ca, key, caKey)
	return Certificate{cert + a.Cert, keyPEM}, err
}

func sign(tmpl, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (cert string, keyPEM Secret, err error) {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, parentKey)
	if err != nil {
		return "", "", fmt.Errorf("site: sign certificate %q: %w", tmpl.Subject.CommonName, err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})), nil
}
