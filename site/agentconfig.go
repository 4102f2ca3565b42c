package site

import (
	"encoding/json"
	"slices"

	"github.com/siteblocks/siteblocks/ec2x"
)

// AgentConfig is what a server's agent knows, by its roles. It lies on the server as JSON, readable by root only.
type AgentConfig struct {
	Server          string `json:"server"`
	Host            string `json:"host,omitempty"` // in visitors' requests; empty is the site's domain
	Bucket          string `json:"bucket"`
	Region          string `json:"region"`
	Endpoint        string `json:"endpoint,omitempty"` // of S3; empty is Amazon's
	AccessKeyID     string `json:"access_key_id,omitempty"`
	SecretAccessKey Secret `json:"secret_access_key,omitempty"` // both empty: the server has rights of its own

	// Of database servers only.
	DatabasePassword Secret `json:"database_password,omitempty"` // of the application's account
	BackupKey        Secret `json:"backup_key,omitempty"`        // see Secrets.BackupKey
}

func (s Site) agentConfig(host ec2x.Server, in Inputs) AgentConfig {
	c := AgentConfig{
		Server: host.Name, Host: s.Address(host).Authority(),
		Bucket: in.Storage.Bucket, Region: in.Storage.Region, Endpoint: in.Storage.ServerEndpoint,
		AccessKeyID: in.Storage.ServerCredentials.AccessKeyID, SecretAccessKey: Secret(in.Storage.ServerCredentials.SecretAccessKey),
	}
	if slices.Contains(host.Roles, RoleDB) {
		c.DatabasePassword, c.BackupKey = in.Secrets.DatabasePassword, in.Secrets.BackupKey
	}
	return c
}

// file is the configuration as it lies on the server: the one place where its secrets are written out.
func (c AgentConfig) file() Secret {
	plain := struct {
		AgentConfig
		SecretAccessKey  string `json:"secret_access_key,omitempty"`
		DatabasePassword string `json:"database_password,omitempty"`
		BackupKey        string `json:"backup_key,omitempty"`
	}{c, string(c.SecretAccessKey), string(c.DatabasePassword), string(c.BackupKey)}
	data, err := json.MarshalIndent(plain, "", "  ")
	if err != nil {
		panic(err) // strings only
	}
	return Secret(data)
}
