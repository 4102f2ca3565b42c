package operate

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

	"github.com/siteblocks/siteblocks/site"
)

// The authority and what it issues are renewed by making the site's secrets anew; a leaf stays below the 825 days that
// Apple's clients accept of a private authority.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 800 * 24 * time.Hour
)

func newAuthority(name string) (site.Authority, error) {
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
		return site.Authority{}, err
	}
	cert, keyPEM, err := sign(tmpl, tmpl, key, key)
	return site.Authority{Cert: cert, Key: keyPEM}, err
}

// issue makes a certificate of the authority for names, of which there is at least one.
func issue(a site.Authority, names []string) (site.Certificate, error) {
	caBlock, _ := pem.Decode([]byte(a.Cert))
	keyBlock, _ := pem.Decode([]byte(string(a.Key)))
	if caBlock == nil || keyBlock == nil {
		return site.Certificate{}, fmt.Errorf("site: local authority: no PEM block")
	}
	ca, err := x509.ParseCertificate(caBlock.Bytes)
	if err != nil {
		return site.Certificate{}, fmt.Errorf("site: local authority: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return site.Certificate{}, fmt.Errorf("site: local authority: %w", err)
	}
	caKey, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return site.Certificate{}, fmt.Errorf("site: local authority: key is %T, not ECDSA", parsed)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return site.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return site.Certificate{}, err
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
	return site.Certificate{Cert: cert + a.Cert, Key: keyPEM}, err
}

func sign(tmpl, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (cert string, keyPEM site.Secret, err error) {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, parentKey)
	if err != nil {
		return "", "", fmt.Errorf("site: sign certificate %q: %w", tmpl.Subject.CommonName, err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, site.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})), nil
}
