package ec2x

import "github.com/aws/aws-sdk-go-v2/service/s3"

// Client is an S3 client for this program; an endpoint other than Amazon's is addressed by path.
func (s Storage) Client() *s3.Client {
	opts := s3.Options{Region: s.Region, Credentials: s.Credentials, RetryMaxAttempts: 4}
	if s.Endpoint != "" {
		opts.BaseEndpoint, opts.UsePathStyle = &s.Endpoint, true
	}
	return s3.New(opts)
}
