package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/siteblocks/siteblocks/ec2x"
	"github.com/siteblocks/siteblocks/ec2x/local/internal/engine"
)

const (
	s3Alias  = "s3" // the S3 server's name for the site's servers
	s3Port   = 7070
	s3Region = "us-east-1"
	keysFile = "/data/keys.json"
)

// Storage implements ec2x.Cloud: it starts the site's S3 server, which keeps its data and its keys on a volume and goes
// on when the program ends. The first call on a machine compiles that server, which takes a minute or two.
//
// Servers have credentials of their own, which read, list and write the site's bucket and delete nothing.
func (c *Cloud) Storage(ctx context.Context, site string) (ec2x.Storage, error) {
	s, err := c.storage(ctx, site)
	if err != nil {
		return ec2x.Storage{}, fmt.Errorf("local: storage of site %q: %w", site, err)
	}
	return s, nil
}

// FindStorage implements ec2x.Cloud: the S3 server of a site that has a volume is started if it does not run.
func (c *Cloud) FindStorage(ctx context.Context, site string) (ec2x.Storage, error) {
	if err := checkName("site", site); err != nil {
		return ec2x.Storage{}, fmt.Errorf("local: storage of site %q: %w", site, err)
	}
	_, err := c.engine.VolumeInspect(ctx, dataName(site), client.VolumeInspectOptions{})
	if engine.NotFound(err) {
		err = ec2x.ErrNoStorage
	}
	if err != nil {
		return ec2x.Storage{}, fmt.Errorf("local: storage of site %q: %w", site, err)
	}
	return c.Storage(ctx, site)
}

func (c *Cloud) storage(ctx context.Context, site string) (ec2x.Storage, error) {
	if err := checkName("site", site); err != nil {
		return ec2x.Storage{}, err
	}
	unlock, err := engine.Lock(ctx, "launch-"+s3Name(site))
	if err != nil {
		return ec2x.Storage{}, err
	}
	defer unlock()
	keys, port, err := c.runningS3(ctx, site)
	if err != nil {
		return ec2x.Storage{}, err
	}
	if port == 0 {
		if keys, port, err = c.createS3(ctx, site); err != nil {
			return ec2x.Storage{}, err
		}
	}
	s := ec2x.Storage{
		Bucket:            "siteblocks-" + site,
		Region:            s3Region,
		Endpoint:          fmt.Sprintf("http://%s:%d", loopback, port),
		ServerEndpoint:    fmt.Sprintf("http://%s:%d", s3Alias, s3Port),
		Credentials:       credentials.NewStaticCredentialsProvider(keys.Root.Access, keys.Root.Secret, ""),
		ServerCredentials: aws.Credentials{AccessKeyID: keys.Servers.Access, SecretAccessKey: keys.Servers.Secret, Source: "siteblocks"},
	}
	if err := ensureBucket(ctx, s, keys.Servers.Access); err != nil {
		return ec2x.Storage{}, fmt.Errorf("%w\n%s", err, c.engine.Output(ctx, s3Name(site), 5))
	}
	return s, nil
}

// s3Keys are kept on the volume with the data that they open, and in the environment of the container.
type s3Keys struct{ Root, Servers s3Account }

type s3Account struct {
	Access string `json:"access"`
	Secret string `json:"secret"`
	Role   string `json:"role,omitempty"`
}

// String keeps secrets out of logs and errors.
func (k s3Keys) String() string   { return "REDACTED" }
func (k s3Keys) GoString() string { return "REDACTED" }

func newKeys() s3Keys {
	return s3Keys{
		Root:    s3Account{Access: "site" + rand.Text()[:16], Secret: rand.Text() + rand.Text()},
		Servers: s3Account{Access: "serv" + rand.Text()[:16], Secret: rand.Text() + rand.Text(), Role: "user"},
	}
}

// runningS3 returns the keys and the port of the S3 server that is there, starting it if it was stopped.
// A port of 0 says that there is none.
func (c *Cloud) runningS3(ctx context.Context, site string) (keys s3Keys, port uint16, err error) {
	res, err := c.engine.ContainerInspect(ctx, s3Name(site), client.ContainerInspectOptions{})
	if engine.NotFound(err) {
		return keys, 0, nil
	}
	if err != nil {
		return keys, 0, err
	}
	info := res.Container
	ports := parsePorts(info.Config.Labels[labelPorts])
	if info.State.Status == container.StateCreated { // a killed program's: its keys may not be in place
		return keys, 0, c.engine.Remove(ctx, info.ID)
	}
	if !info.State.Running {
		if _, err := c.engine.ContainerStart(ctx, info.ID, client.ContainerStartOptions{}); err != nil {
			return keys, 0, portHint(err, ports)
		}
	}
	keys, err = c.readKeys(ctx, info.ID)
	return keys, ports[s3Port], err
}

func (c *Cloud) readKeys(ctx context.Context, id string) (keys s3Keys, err error) {
	data, err := c.engine.Fetch(ctx, id, keysFile)
	if err != nil {
		return keys, err
	}
	if err := json.Unmarshal(data, &keys); err != nil || keys.Root.Secret == "" {
		return keys, errors.New("the volume's keys cannot be read")
	}
	return keys, nil
}

// createS3 makes the container anew over the site's volume, with the keys that the volume already has.
func (c *Cloud) createS3(ctx context.Context, site string) (keys s3Keys, port uint16, err error) {
	image, err := c.buildS3().wait(ctx)
	if err != nil {
		return keys, 0, err
	}
	if err := c.network(ctx, site); err != nil {
		return keys, 0, err
	}
	ports, err := c.publish(ctx, site, s3Alias, []uint16{s3Port})
	if err != nil {
		return keys, 0, err
	}
	_, err = c.engine.VolumeCreate(ctx, client.VolumeCreateOptions{Name: dataName(site), Labels: c.labels(site, kindData)})
	if err != nil {
		return keys, 0, err
	}
	if keys, err = c.volumeKeys(ctx, site, image); err != nil {
		return keys, 0, err
	}
	id, err := c.createNamed(ctx, site, c.s3Container(site, image, keys, ports))
	if err != nil {
		return keys, 0, err
	}
	if _, err = c.engine.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		_ = c.engine.Remove(context.WithoutCancel(ctx), id)
		return keys, 0, portHint(err, ports)
	}
	return keys, ports[s3Port], nil
}

// volumeKeys reads the keys from the volume, or puts new ones on it. It needs a container to reach a volume through;
// this one is never started.
func (c *Cloud) volumeKeys(ctx context.Context, site, image string) (keys s3Keys, err error) {
	probe := c.s3Container(site, image, s3Keys{}, nil)
	probe.Name += "_keys"
	_ = c.engine.Remove(ctx, probe.Name)
	id, err := c.createNamed(ctx, site, probe)
	if err != nil {
		return keys, err
	}
	defer func() { _ = c.engine.Remove(context.WithoutCancel(ctx), id) }()
	keys, err = c.readKeys(ctx, id)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	keys = newKeys()
	data, err := json.Marshal(keys)
	if err != nil {
		return keys, err
	}
	accounts, err := json.Marshal(map[string]any{"accessAccounts": map[string]s3Account{keys.Servers.Access: keys.Servers}})
	if err != nil {
		return keys, err
	}
	return keys, c.engine.Put(ctx, id,
		engine.File{Path: "/data/buckets", Mode: 0o700 | fs.ModeDir},
		engine.File{Path: "/data/iam", Mode: 0o700 | fs.ModeDir},
		engine.File{Path: "/data/iam/users.json", Mode: 0o600, Data: accounts},
		engine.File{Path: keysFile, Mode: 0o600, Data: data}, // last: where it is, the rest is
	)
}

func (c *Cloud) s3Container(site, image string, keys s3Keys, ports map[uint16]uint16) client.ContainerCreateOptions {
	port, _ := network.PortFrom(s3Port, network.TCP)
	labels := c.labels(site, kindS3)
	labels[labelPorts] = formatPorts(ports)
	hc := &container.HostConfig{
		NetworkMode: container.NetworkMode(networkName(site)),
		Mounts:      []mount.Mount{{Type: mount.TypeVolume, Source: dataName(site), Target: "/data"}},
	}
	if at := ports[s3Port]; at != 0 {
		hc.PortBindings = network.PortMap{port: {{HostIP: loopback, HostPort: strconv.Itoa(int(at))}}}
	}
	return client.ContainerCreateOptions{
		Name: s3Name(site),
		Config: &container.Config{
			Image: image, Hostname: s3Alias, Labels: labels, ExposedPorts: network.PortSet{port: {}},
			Env: []string{"ROOT_ACCESS_KEY=" + keys.Root.Access, "ROOT_SECRET_KEY=" + keys.Root.Secret},
			Cmd: []string{"--port", ":" + strconv.Itoa(s3Port), "--region", s3Region, "--iam-dir", "/data/iam", "--quiet",
				"posix", "/data/buckets"},
		},
		HostConfig: hc,
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			networkName(site): {Aliases: []string{s3Alias}},
		}},
	}
}
