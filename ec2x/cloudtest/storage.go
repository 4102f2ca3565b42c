package cloudtest

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/siteblocks/siteblocks/ec2x"
)

func client(s ec2x.Storage, provider aws.CredentialsProvider) *s3.Client {
	o := s3.Options{Region: s.Region, Credentials: provider, UsePathStyle: s.Endpoint != ""}
	if s.Endpoint != "" {
		o.BaseEndpoint = aws.String(s.Endpoint)
	}
	return s3.New(o)
}

func storage(t *testing.T, c ec2x.Cloud, site string) (ec2x.Storage, *s3.Client) {
	t.Helper()
	s, err := c.Storage(t.Context(), site)
	require.NoError(t, err)
	require.NotEmpty(t, s.Bucket)
	require.NotEmpty(t, s.Region)
	return s, client(s, s.Credentials)
}

func put(t *testing.T, api *s3.Client, bucket, key, text string) string {
	t.Helper()
	res, err := api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte(text))})
	require.NoError(t, err)
	return aws.ToString(res.ETag)
}

func read(t *testing.T, api *s3.Client, bucket, key string) []byte {
	t.Helper()
	res, err := api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return data
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode())
}

func storageObjects(t *testing.T, c ec2x.Cloud, site string) {
	s, api := storage(t, c, site)
	again, _ := storage(t, c, site)
	require.Equal(t, s.Bucket, again.Bucket)
	require.Equal(t, s.Endpoint, again.Endpoint)
	put(t, api, s.Bucket, "releases/1", "one")
	require.Equal(t, "one", string(read(t, api, s.Bucket, "releases/1")))

	big := make([]byte, 20<<20)
	_, _ = rand.Read(big)
	m := transfermanager.New(api, func(o *transfermanager.Options) { o.PartSizeBytes = 8 << 20 })
	_, err := m.UploadObject(t.Context(), &transfermanager.UploadObjectInput{Bucket: &s.Bucket, Key: aws.String("big"), Body: bytes.NewReader(big)})
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, read(t, api, s.Bucket, "big")))
	part, err := api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("big"), Range: aws.String("bytes=100-199")})
	require.NoError(t, err)
	data, err := io.ReadAll(part.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big[100:200], data))

	_, err = api.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &s.Bucket, Key: aws.String("sum"), Body: bytes.NewReader([]byte("x")), ChecksumSHA256: aws.String("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
	})
	requireCode(t, err, "BadDigest")
}

func storageConditions(t *testing.T, c ec2x.Cloud, site string) {
	s, api := storage(t, c, site)
	try := func(text string, none, match *string) (*s3.PutObjectOutput, error) {
		return api.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.Bucket, Key: aws.String("lock"), Body: bytes.NewReader([]byte(text)), IfNoneMatch: none, IfMatch: match,
		})
	}
	first, err := try("a", aws.String("*"), nil)
	require.NoError(t, err)
	_, err = try("b", aws.String("*"), nil)
	requireCode(t, err, "PreconditionFailed")
	second, err := try("c", nil, first.ETag)
	require.NoError(t, err)
	_, err = try("d", nil, first.ETag)
	requireCode(t, err, "PreconditionFailed")
	require.Equal(t, "c", string(read(t, api, s.Bucket, "lock")))

	const n = 8
	errs := make(chan error, n)
	for range n {
		go func() { _, err := try("race "+rand.Text(), nil, second.ETag); errs <- err }()
	}
	won := 0
	for range n {
		if <-errs == nil {
			won++
		}
	}
	require.Equal(t, 1, won, "of writers with the same condition one wins")
}

func storageSignatures(t *testing.T, c ec2x.Cloud, site string) {
	s, api := storage(t, c, site)
	put(t, api, s.Bucket, "secret", "x")
	good, err := s.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	forged := client(s, credentials.NewStaticCredentialsProvider(good.AccessKeyID, good.SecretAccessKey+"x", good.SessionToken))
	_, err = forged.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("secret")})
	requireCode(t, err, "SignatureDoesNotMatch")
	nobody := client(s, aws.AnonymousCredentials{})
	_, err = nobody.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("secret")})
	requireCode(t, err, "AccessDenied")
}

func storageServers(t *testing.T, c ec2x.Cloud, site string) {
	s, api := storage(t, c, site)
	if !s.ServerCredentials.HasKeys() {
		t.Skip("the servers have credentials of their own")
	}
	put(t, api, s.Bucket, "servers/1", "precious")
	put(t, api, s.Bucket, "releases/1", "code")
	put(t, api, s.Bucket, "private/1", "key")
	server := client(s, credentials.StaticCredentialsProvider{Value: s.ServerCredentials})
	put(t, server, s.Bucket, "servers/2", "more")
	require.Equal(t, "precious", string(read(t, server, s.Bucket, "servers/1")))
	require.Equal(t, "code", string(read(t, server, s.Bucket, "releases/1")))
	for prefix, count := range map[string]int{"releases/": 1, "servers/": 2} {
		list, err := server.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: &prefix})
		require.NoError(t, err)
		require.Len(t, list.Contents, count, prefix)
	}
	for _, prefix := range []*string{nil, aws.String(""), aws.String("private/"), aws.String("p"), aws.String("servers")} {
		_, err := server.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: prefix})
		requireCode(t, err, "AccessDenied")
	}

	_, err := server.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("private/1")})
	requireCode(t, err, "AccessDenied")
	for _, key := range []string{"releases/1", "private/1", "private/2", "other"} {
		_, err = server.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: strings.NewReader("forged")})
		requireCode(t, err, "AccessDenied")
	}
	_, err = server.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: aws.String("servers/1")})
	requireCode(t, err, "AccessDenied")
	for i, want := range []string{"", "AccessDenied"} {
		_, err = server.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.Bucket, Key: aws.String("servers/locked"), Body: strings.NewReader(strings.Repeat("x", 9*(1-i))),
			ObjectLockMode: types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: aws.Time(time.Now().Add(time.Hour)),
		})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		requireCode(t, err, want)
	}
	_, err = server.PutObjectRetention(t.Context(), &s3.PutObjectRetentionInput{
		Bucket: &s.Bucket, Key: aws.String("servers/locked"), BypassGovernanceRetention: aws.Bool(true),
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: aws.Time(time.Now().Add(time.Minute))},
	})
	requireCode(t, err, "AccessDenied")
	require.Equal(t, "xxxxxxxxx", string(read(t, api, s.Bucket, "servers/locked")))
	_, err = server.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &s.Bucket})
	requireCode(t, err, "AccessDenied")
	_, err = server.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("another-" + site)})
	requireCode(t, err, "AccessDenied")
}

func deleteRefuses(t *testing.T, c ec2x.Cloud, site string) {
	s := launch(t, c, newKeys().spec(site, "web-1"))
	require.ErrorContains(t, c.Delete(t.Context(), site, ec2x.DeleteOptions{Data: true}), "servers")
	list, err := c.Servers(t.Context(), site)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, c.Terminate(t.Context(), s.ID))
	require.NoError(t, c.Delete(t.Context(), site, ec2x.DeleteOptions{Data: true}))
	require.NoError(t, c.Delete(t.Context(), site, ec2x.DeleteOptions{Data: true}), "a site that is gone is no error")
}

func deleteKeepsData(t *testing.T, c ec2x.Cloud, site string) {
	_, err := c.FindStorage(t.Context(), site)
	require.ErrorIs(t, err, ec2x.ErrNoStorage)
	s, api := storage(t, c, site)
	put(t, api, s.Bucket, "kept", "data")
	before, err := s.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Delete(t.Context(), site, ec2x.DeleteOptions{}))
	s, err = c.FindStorage(t.Context(), site)
	require.NoError(t, err)
	api = client(s, s.Credentials)
	require.Equal(t, "data", string(read(t, api, s.Bucket, "kept")))
	after, err := s.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.AccessKeyID, after.AccessKeyID)

	require.NoError(t, c.Delete(t.Context(), site, ec2x.DeleteOptions{Data: true}))
	_, err = c.FindStorage(t.Context(), site)
	require.ErrorIs(t, err, ec2x.ErrNoStorage)
	s, api = storage(t, c, site)
	_, err = api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("kept")})
	requireCode(t, err, "NoSuchKey")
}
