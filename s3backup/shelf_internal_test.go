package s3backup

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

// shelf is an S3 server in memory, with a clock of its own and object lock.
type shelf struct {
	mutex   sync.Mutex
	now     time.Time // zero is the machine's
	objects map[string]shelved
}

type shelved struct {
	text     []byte
	modified time.Time
	locked   bool
}

// newShelf gives an empty one and a store in it.
func newShelf(t *testing.T) (*shelf, Store) {
	t.Helper()
	at := &shelf{objects: map[string]shelved{}}
	server := httptest.NewServer(at)
	t.Cleanup(server.Close)
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
	return at, Store{S3: client, Bucket: "bucket", Site: "shop", LockFile: t.TempDir() + "/lock", Retain: time.Hour}
}

func (at *shelf) clock() time.Time {
	if at.now.IsZero() {
		return time.Now().UTC().Truncate(time.Second)
	}
	return at.now
}

// put lays an object down, as of some time and under the lock.
func (at *shelf) put(key string, text []byte, modified time.Time) {
	at.mutex.Lock()
	defer at.mutex.Unlock()
	at.objects[key] = shelved{text, modified, true}
}

func (at *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at.mutex.Lock()
	defer at.mutex.Unlock()
	w.Header().Set("Date", at.clock().Format(http.TimeFormat))
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/bucket"), "/")
	there, found := at.objects[key]
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
	}
	switch {
	case key == "":
		at.list(w, r)
	case r.Method == http.MethodPut && found:
		refuse(http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodPut:
		text, _ := io.ReadAll(r.Body)
		at.objects[key] = shelved{text, at.clock(), r.Header.Get("X-Amz-Object-Lock-Mode") != ""}
	case !found:
		refuse(http.StatusNotFound, "NoSuchKey")
	case r.Method == http.MethodDelete && there.locked && r.Header.Get("X-Amz-Bypass-Governance-Retention") == "":
		refuse(http.StatusForbidden, "AccessDenied")
	case r.Method == http.MethodDelete:
		delete(at.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		_, _ = w.Write(there.text)
	}
}

func (at *shelf) list(w http.ResponseWriter, r *http.Request) {
	type object struct {
		Key          string
		Size         int
		LastModified string
	}
	var answer struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []object
	}
	for _, key := range at.keys() {
		if o := at.objects[key]; strings.HasPrefix(key, r.URL.Query().Get("prefix")) && !r.URL.Query().Has("uploads") {
			answer.Contents = append(answer.Contents, object{key, len(o.text), o.modified.UTC().Format(time.RFC3339)})
		}
	}
	_ = xml.NewEncoder(w).Encode(answer)
}

func (at *shelf) keys() (keys []string) {
	for key := range at.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// backup lays a backup down that says it was begun at a time, and that came into the store at another.
func (at *shelf) backup(s Store, begun, stored time.Time) string {
	id := s.newID(begun)
	m := Manifest{
		Format: Format, Site: s.Site, ID: id, Kind: "sql", Started: begun, Finished: begun, Databases: []string{"shop"}, Compression: "zstd",
		Object: Object{Name: "dump.sql.zst", Bytes: 1, Chunks: []Chunk{{Bytes: 1, SHA256: strings.Repeat("0", 64)}}},
	}
	text, _ := m.encode()
	at.put(s.key(id, m.Object.Name), []byte("x"), stored)
	at.put(s.key(id, manifestName), text, stored)
	return id
}

func (at *shelf) verdict(s Store, id, name string, ok bool, says, stored time.Time) {
	text, _ := json.Marshal(Verdict{Backup: id, At: says, OK: ok, Problems: []string{"as the test says"}[:map[bool]int{false: 1}[ok]]})
	at.put(s.key(id, name), text, stored)
}

// empty is a source of next to nothing.
type empty struct{}

func (empty) Copy(_ context.Context, w io.Writer) (Facts, error) {
	_, err := io.WriteString(w, trailer+"\n")
	return Facts{Kind: "sql", Databases: []string{"shop"}}, err
}

func TestBackupsOfTheFutureAreForged(t *testing.T) {
	at, s := newShelf(t)
	s.Keep = Retention{Last: 2}
	now := time.Now().UTC().Truncate(time.Millisecond)
	real := at.backup(s, now.Add(-time.Hour), now.Add(-time.Hour))
	at.verdict(s, real, verdictName(now.Add(-time.Minute)), true, now.Add(-time.Minute), now.Add(-time.Minute))
	forged := at.backup(s, now.AddDate(2, 0, 0), now.Add(-time.Minute))
	at.verdict(s, forged, verdictName(now.AddDate(2, 0, 0)), true, now.AddDate(2, 0, 0), now.Add(-time.Minute))

	e, err := s.Find(t.Context(), Select{})
	require.NoError(t, err)
	require.Equal(t, real, e.ID)
	require.Empty(t, e.Warnings)
	_, err = s.Find(t.Context(), Select{ID: forged, Late: true})
	require.ErrorIs(t, err, ErrAhead)
	st, err := s.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{real, real}, []string{st.Last.ID, st.Verified.ID})
	require.InDelta(t, time.Hour, st.Age, float64(time.Minute))
	require.Contains(t, st.Warnings[1], "backup "+forged+" cannot be used: s3backup: backup "+forged+": "+ErrAhead.Error())
	m, err := s.Backup(t.Context(), empty{}, Options{})
	require.NoError(t, err, "the next backup is made")

	decisions, err := s.Prune(t.Context())
	require.NoError(t, err)
	require.Equal(t, "delete backup "+forged+": it is of a later time than the store's: no honest machine made it", decisions[2].String())
	entries, err := s.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{real, m.ID}, ids(entries))
	require.Empty(t, slices.DeleteFunc(at.keys(), func(key string) bool { return !strings.Contains(key, forged) }))
}

// TestBackupIsMadeBesideOneOfTheNextMinutes: nobody keeps a site from backups by adding one that is a little ahead.
func TestBackupIsMadeBesideOneOfTheNextMinutes(t *testing.T) {
	at, s := newShelf(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	ahead := at.backup(s, now.Add(clockLimit), now)
	said := ""
	s.Events = func(e Event) { said += e.String() + "\n" }
	m, err := s.Backup(t.Context(), empty{}, Options{Shrink: true})
	require.NoError(t, err)
	require.Contains(t, said, "but backup "+ahead+" is later")
	entries, err := s.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{m.ID, ahead}, ids(entries))
	require.ErrorIs(t, s.checkClock(now, time.Time{}, entries), ErrClock, "a store that does not tell its time")
}

func ids(entries []Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return all
}

// TestForgedBackupsTakeNoPlaces: whatever times others say, and whatever verdicts they write, the backups that the rules
// keep stay.
func TestForgedBackupsTakeNoPlaces(t *testing.T) {
	at, s := newShelf(t)
	s.Keep = Retention{Within: 24 * time.Hour, Hourly: 48, Daily: 14, Weekly: 8, Monthly: 12}
	now := time.Now().UTC().Truncate(time.Millisecond)
	var real []string
	for day := range 10 {
		begun := now.Add(-time.Duration(10-day) * 24 * time.Hour)
		real = append(real, at.backup(s, begun, begun))
		at.verdict(s, real[day], verdictName(begun.Add(time.Hour)), true, begun.Add(time.Hour), begun.Add(time.Hour))
	}
	forge := func(begun time.Time) {
		id := at.backup(s, begun, now)
		at.verdict(s, id, verdictName(now), true, now, now)
	}
	for i := range 85 {
		forge(now.Add(time.Duration(i+1) * time.Hour))
		forge(now.Add(time.Duration(i+1) * 7 * 24 * time.Hour))
	}
	for i := range 9 { // later in the same days
		forge(now.Add(-time.Duration(9-i)*24*time.Hour - time.Minute))
	}
	latest := at.backup(s, now.Add(-time.Minute), now)
	at.verdict(s, latest, verdictName(now), true, now, now) // a false one that nobody can tell
	for i, id := range real {
		name := verdictName(now)
		if i%2 == 0 {
			name = verdictName(now.AddDate(50, 0, 0))
		}
		at.verdict(s, id, name, false, now, now)
	}
	_, err := s.Prune(t.Context())
	require.NoError(t, err)
	entries, err := s.List(t.Context())
	require.NoError(t, err)
	left := ids(slices.DeleteFunc(entries, func(e Entry) bool { return e.Problem != nil }))
	require.Equal(t, append(real, latest), left)
	for _, e := range entries[:1] {
		require.Len(t, e.Forged, 1)
		require.True(t, e.Verified(), "a verdict of the future does not count")
	}
	st, err := s.Status(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(st.Warnings, "\n"), "does not count: it is of a later time than the store's")
}

// TestLateBackups: what came into the store long after its time is deleted, and restored, only if the operator says so.
func TestLateBackups(t *testing.T) {
	at, s := newShelf(t)
	s.Keep = Retention{Last: 1}
	now := time.Now().UTC().Truncate(time.Millisecond)
	late := at.backup(s, now.Add(-50*time.Hour), now.Add(-time.Hour))
	real := at.backup(s, now.Add(-time.Minute), now)
	at.verdict(s, real, verdictName(now), true, now, now)
	entry := func() Entry {
		entries, err := s.List(t.Context())
		require.NoError(t, err)
		return entries[0]
	}
	require.ErrorIs(t, entry().Problem, ErrLate)
	_, err := s.Find(t.Context(), Select{ID: late})
	require.ErrorIs(t, err, ErrLate)
	_, err = s.Find(t.Context(), Select{Before: now.Add(-time.Hour)})
	require.ErrorIs(t, err, ErrNoBackup)
	e, err := s.Find(t.Context(), Select{ID: late, Late: true})
	require.NoError(t, err)
	require.Equal(t, late, e.Manifest.ID)
	_, err = s.Prune(t.Context())
	require.NoError(t, err)
	require.Equal(t, late, entry().ID)
	s.Keep.Late = true
	_, err = s.Prune(t.Context())
	require.NoError(t, err)
	require.Equal(t, real, entry().ID)
}

// TestPruneGoesPastTheLockOfBackupsAlone: a stranger's object in a backup's folder keeps its lock, and stops nothing.
func TestPruneGoesPastTheLockOfBackupsAlone(t *testing.T) {
	at, s := newShelf(t)
	s.Keep = Retention{Last: 1, Unverified: true}
	now := time.Now().UTC().Truncate(time.Millisecond)
	old := at.backup(s, now.Add(-50*time.Hour), now.Add(-50*time.Hour))
	at.put(s.key(old, "stranger"), []byte("x"), now)
	real := at.backup(s, now.Add(-time.Minute), now)
	_, err := s.Prune(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{s.key(old, "stranger"), s.key(real, "dump.sql.zst"), s.key(real, manifestName)}, at.keys())
}

func TestFindSaysWhatItPassedOver(t *testing.T) {
	at, s := newShelf(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	var said []string
	s.Events = func(e Event) { said = append(said, e.String()) }
	good := at.backup(s, now.Add(-3*time.Hour), now.Add(-3*time.Hour))
	bad := at.backup(s, now.Add(-2*time.Hour), now.Add(-2*time.Hour))
	at.verdict(s, bad, verdictName(now), false, now, now)
	late := at.backup(s, now.Add(-time.Hour), now)
	at.put(s.key(late, "dump.sql.zst"), nil, now)
	e, err := s.Find(t.Context(), Select{})
	require.NoError(t, err)
	require.Equal(t, good, e.ID)
	require.Len(t, e.Warnings, 2)
	require.Contains(t, e.Warnings[0], "backup "+late+" is newer than "+good+" and was passed over: s3backup: backup "+late+": backup is damaged")
	require.Contains(t, e.Warnings[1], "backup "+bad+" is newer than "+good+" and was passed over: a verify at ")
	require.Contains(t, e.Warnings[1], "could not restore it: as the test says")
	require.Equal(t, []string{"warning: " + e.Warnings[0], "warning: " + e.Warnings[1]}, said)
}

func TestStatusOfAClockThatIsWrong(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	st := Store{}.judge([]Entry{{ID: "a", At: now, Manifest: Manifest{Started: now, Finished: now}}}, now.Add(-time.Minute))
	require.Zero(t, st.Age)
	require.Equal(t, []string{"the last backup is 1m0s ahead of the store's clock: that clock or the server's is wrong"}, st.Warnings)
}

func TestManifestOfAnotherTime(t *testing.T) {
	begun := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	m := Manifest{Format: Format, Site: "shop", ID: Store{}.newID(begun), Started: begun.AddDate(3, 0, 0), Object: Object{Name: "x", Bytes: 1, Chunks: []Chunk{{1, strings.Repeat("0", 64)}}}}
	text, err := m.encode()
	require.NoError(t, err)
	_, err = decodeManifest(text, "shop", m.ID)
	require.ErrorIs(t, err, ErrCorrupt)
}
