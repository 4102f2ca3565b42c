package site

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Record is the site as its servers know it: JSON with every default filled in, without what only the operator's
// machine has (App.Source, App.Revision, the files of a certificate), and with digests instead of the values of App.Env.
// Equal records mean that a server does what the operator means.
func (s Site) Record() []byte {
	s = s.WithDefaults()
	s.App.Source, s.App.Revision, s.Web.HTTPS.CertFile, s.Web.HTTPS.KeyFile = "", "", "", ""
	s.App.Env = maps.Clone(s.App.Env)
	for name, value := range s.App.Env { // a record stands in a command line and in errors, and they may be secrets
		sum := sha256.Sum256([]byte(name + "=" + value))
		s.App.Env[name] = "sha256:" + hex.EncodeToString(sum[:6])
	}
	data, err := json.Marshal(s)
	if err == nil {
		data, err = json.MarshalIndent(withoutEmpty(decoded(data)), "", "  ")
	}
	if err != nil {
		panic(err) // strings, numbers, lists and maps of them
	}
	return append(data, '\n')
}

// CheckRecord tells by an error which fields of s are other than in a record. The program runs on the operator's
// machine and on the servers: where its Site is made from the environment, a file or the time, the two differ.
func (s Site) CheckRecord(record []byte) error {
	here, there := map[string]string{}, map[string]string{}
	flatten(here, "", decoded(s.Record()))
	flatten(there, "", decoded(record))
	all := maps.Clone(here)
	maps.Copy(all, there)
	var differ []string
	for _, field := range sortedKeys(all) {
		if here[field] != there[field] {
			differ = append(differ, fmt.Sprintf("%s is %.100s here and %.100s at the operator's", field, cmp.Or(here[field], "empty"), cmp.Or(there[field], "empty")))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	return fmt.Errorf("site: the program on the server has another Site than the operator's: %s; a Site must not be made from the environment, files or the time, and Operator.Site must be the one that Program has; a secret belongs in a file of App.LinkedFiles",
		strings.Join(differ, "; "))
}

// decoded reads JSON, with numbers as they are written.
func decoded(data []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return string(data)
	}
	return v
}

// withoutEmpty leaves out what says the same as not being there.
func withoutEmpty(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, field := range m {
		field = withoutEmpty(field)
		m[k] = field
		switch f := field.(type) {
		case map[string]any:
			ok = len(f) > 0
		case []any:
			ok = len(f) > 0
		default:
			ok = field != nil && field != "" && field != json.Number("0")
		}
		if !ok {
			delete(m, k)
		}
	}
	return m
}

// flatten names every field by its path, lists as a whole.
func flatten(into map[string]string, name string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false) // a person reads it
		_ = e.Encode(v)
		into[cmp.Or(name, "Site")] = strings.TrimSpace(text.String())
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		field := strings.TrimPrefix(name+"."+k, ".")
		if name == "App.Env" {
			field = name + "[" + k + "]"
		}
		flatten(into, field, m[k])
	}
}
