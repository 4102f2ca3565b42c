package operate

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/siteblocks/siteblocks/ec2x/sshx"
	"github.com/siteblocks/siteblocks/site"
)

const secretsKey = "private/secrets.json"

// wireSecrets is how the bucket holds them: the one place where secrets are written out.
type wireSecrets struct {
	OperatorKey      string `json:"operator_key"`
	OperatorPublic   string `json:"operator_public"`
	DatabasePassword string `json:"database_password"`
	SecretKeyBase    string `json:"secret_key_base"`
	BalancerSecret   string `json:"balancer_secret"`
	BackupKey        string `json:"backup_key"`
	AuthorityCert    string `json:"authority_cert"`
	AuthorityKey     string `json:"authority_key"`
	SiteCert         string `json:"site_cert"`
	SiteKey          string `json:"site_key"`
}

func wire(s site.Secrets) wireSecrets {
	return wireSecrets{
		string(s.OperatorKey), s.OperatorPublic, string(s.DatabasePassword), string(s.SecretKeyBase), string(s.BalancerSecret), string(s.BackupKey),
		s.Authority.Cert, string(s.Authority.Key), s.Certificate.Cert, string(s.Certificate.Key),
	}
}

func (w wireSecrets) secrets() site.Secrets {
	return site.Secrets{
		OperatorKey: site.Secret(w.OperatorKey), OperatorPublic: w.OperatorPublic,
		DatabasePassword: site.Secret(w.DatabasePassword), SecretKeyBase: site.Secret(w.SecretKeyBase),
		BalancerSecret: site.Secret(w.BalancerSecret), BackupKey: site.Secret(w.BackupKey),
		Authority:   site.Authority{Cert: w.AuthorityCert, Key: site.Secret(w.AuthorityKey)},
		Certificate: site.Certificate{Cert: w.SiteCert, Key: site.Secret(w.SiteKey)},
	}
}

// newSecrets makes the secrets of a new site.
func newSecrets(s site.Site) (site.Secrets, error) {
	private, public := sshx.NewKey()
	authority, err := newAuthority(s.Name)
	if err != nil {
		return site.Secrets{}, err
	}
	cert, err := issue(authority, s.CertificateNames())
	if err != nil {
		return site.Secrets{}, err
	}
	base := make([]byte, 64)
	if _, err := rand.Read(base); err != nil {
		return site.Secrets{}, err
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return site.Secrets{}, err
	}
	return site.Secrets{
		OperatorKey: site.Secret(private), OperatorPublic: public, BackupKey: site.Secret(identity.String()),
		DatabasePassword: site.Secret(rand.Text()), SecretKeyBase: site.Secret(hex.EncodeToString(base)), BalancerSecret: site.Secret(rand.Text()),
		Authority: authority, Certificate: cert,
	}, nil
}

// loadSecrets reads the site's secrets; found is false where none were made yet.
func loadSecrets(ctx context.Context, store *s3.Client, bucket string) (sec site.Secrets, found bool, err error) {
	out, err := store.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(secretsKey)})
	if httpStatus(err) == 404 {
		return sec, false, nil
	}
	if err != nil {
		return sec, false, fmt.Errorf("site: read %q: %w", secretsKey, err)
	}
	defer out.Body.Close()
	var w wireSecrets
	data, err := io.ReadAll(io.LimitReader(out.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil {
		return sec, false, fmt.Errorf("site: read %q: %w", secretsKey, err)
	}
	return w.secrets(), true, nil
}

// ensureSecrets reads the secrets, and makes them where there are none. Two programs that make them at once agree:
// the put is conditional, and the slower one reads what the faster one wrote.
func ensureSecrets(ctx context.Context, store *s3.Client, bucket string, s site.Site) (site.Secrets, error) {
	sec, found, err := loadSecrets(ctx, store, bucket)
	if err != nil || found {
		return sec, err
	}
	if sec, err = newSecrets(s); err != nil {
		return sec, err
	}
	data, err := json.Marshal(wire(sec))
	if err != nil {
		return sec, err
	}
	_, err = store.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(secretsKey), Body: bytes.NewReader(data), IfNoneMatch: aws.String("*")})
	if code := httpStatus(err); code == 412 || code == 409 {
		sec, _, err = loadSecrets(ctx, store, bucket)
		return sec, err
	}
	if err != nil {
		return sec, fmt.Errorf("site: write %q: %w", secretsKey, err)
	}
	return sec, nil
}
