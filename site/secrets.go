package site

import "github.com/siteblocks/siteblocks/site/provision"

// Secret is a string that prints as REDACTED wherever it is printed.
type Secret = provision.Secret

// Secrets are what a site's servers and operators share. They are made once and kept in the site's bucket, where only
// operators read them; a server gets those that it needs in files of its own.
type Secrets struct {
	OperatorKey      Secret // private SSH key with which operators reach the servers, OpenSSH PEM
	OperatorPublic   string // its authorized_keys line
	DatabasePassword Secret // of the application's account
	SecretKeyBase    Secret // Rails' secret_key_base; 128 hexadecimal digits
	BalancerSecret   Secret // password of the switches of Apache's balancer
	BackupKey        Secret // age identity to which backups are encrypted; the database server has it, for it verifies them
	Authority        Authority
	Certificate      Certificate
}

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
