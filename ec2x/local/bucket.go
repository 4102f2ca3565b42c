package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/siteblocks/siteblocks/ec2x"
)

// s3StartTimeout bounds how long the S3 server may take to answer.
const s3StartTimeout = 20 * time.Second

// ensureBucket waits for the S3 server and makes the bucket and the servers' rights in it.
func ensureBucket(ctx context.Context, s ec2x.Storage, serverKey string) error {
	api := s3.New(s3.Options{
		Region: s.Region, BaseEndpoint: aws.String(s.Endpoint), UsePathStyle: true,
		Credentials: s.Credentials, RetryMaxAttempts: 1,
	})
	if err := makeBucket(ctx, api, s); err != nil {
		return err
	}
	want, err := serverPolicy(s.Bucket, serverKey)
	if err != nil {
		return err
	}
	have, err := api.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &s.Bucket})
	if err == nil && aws.ToString(have.Policy) == want {
		return nil
	}
	if _, err = api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &s.Bucket, Policy: &want}); err != nil {
		return fmt.Errorf("set the bucket's policy: %w", err)
	}
	return nil
}

func makeBucket(ctx context.Context, api *s3.Client, s ec2x.Storage) error {
	deadline := time.Now().Add(s3StartTimeout)
	for {
		_, err := api.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.Bucket})
		if err == nil {
			return nil
		}
		var missing *types.NotFound
		if errors.As(err, &missing) {
			_, err = api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.Bucket, ObjectLockEnabledForBucket: aws.Bool(true)})
			var owned *types.BucketAlreadyOwnedByYou
			if err == nil || errors.As(err, &owned) {
				return nil
			}
		}
		var answered smithy.APIError
		if errors.As(err, &answered) && answered.ErrorCode() != "SlowDown" || time.Now().After(deadline) {
			return fmt.Errorf("S3 server at %s: %w", s.Endpoint, err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// serverPolicy gives the site's servers the rights that ec2x.Storage.ServerCredentials promises.
func serverPolicy(bucket, account string) (string, error) {
	type condition map[string]map[string][]string
	type statement struct {
		Effect    string
		Principal map[string]string
		Action    []string
		Resource  string
		Condition condition `json:",omitempty"`
	}
	who := map[string]string{"AWS": account}
	arn := "arn:aws:s3:::" + bucket
	data, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []statement{
		// Names can tell as much as contents do: what operators keep below private/ is not listed either.
		{"Allow", who, []string{"s3:ListBucket"}, arn, condition{"StringLike": {"s3:prefix": {"releases/*", "servers/*"}}}},
		{"Allow", who, []string{"s3:GetBucketLocation", "s3:ListBucketMultipartUploads"}, arn, nil},
		{"Allow", who, []string{"s3:GetObject", "s3:GetObjectAttributes"}, arn + "/*", nil},
		{"Allow", who, []string{"s3:PutObject", "s3:PutObjectRetention", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}, arn + "/servers/*", nil},
		{"Deny", who, []string{"s3:*"}, arn + "/private/*", nil},
	}})
	return string(data), err
}
