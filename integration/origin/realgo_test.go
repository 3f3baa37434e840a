// The real go command, straight against the origin.

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A session is a go command with a module cache of its own.
type session struct {
	t   *testing.T
	env []string
	dir string
}

func newSession(t *testing.T, proxy, sumdb string) *session {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the real go command is not run")
	}
	root := t.TempDir()
	env := append(os.Environ(),
		"GOPROXY="+proxy, "GOSUMDB="+sumdb, "GOPATH="+filepath.Join(root, "gopath"),
		// Without -modcacherw the test could not remove what go has downloaded.
		"GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off", "GOENV=off", "CGO_ENABLED=0",
		"GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=", "GOBIN=", "GOMODCACHE=", "http_proxy=", "HTTP_PROXY=",
	)
	dir := filepath.Join(root, "work")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return &session{t: t, env: env, dir: dir}
}

// run runs a command line, which may begin with NAME=value, and returns its output and whether it went well.
func (s *session) run(line string) (string, bool) {
	s.t.Helper()
	fields, env := strings.Fields(line), s.env
	for strings.Contains(fields[0], "=") {
		env = append(env[:len(env):len(env)], fields[0])
		fields = fields[1:]
	}
	command := exec.CommandContext(context.Background(), fields[0], fields[1:]...)
	command.Dir, command.Env = s.dir, env
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return string(output), err == nil
}

// expect runs a command that must go well (or fail), and say want.
func (s *session) expect(line string, well bool, want string) {
	s.t.Helper()
	if output, ok := s.run(line); ok != well || !strings.Contains(output, want) {
		s.t.Errorf("%s: expected success %v and %q, got success %v and\n%s", line, well, want, ok, output)
	}
}

func TestRealGoBuildsTheProgram(t *testing.T) {
	server, origin := serveTest(t, nil)
	s := newSession(t, origin.URL, server.sums.verifier)
	if err := writeProgram(server.catalog, s.dir, false); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(s.dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	s.expect("go mod download all", true, "")
	s.expect("go build -o hello .", true, "")
	s.expect("./hello", true, "hello from 64 modules, digest ")
	s.expect("go mod tidy", true, "")
	tidied, err := os.ReadFile(filepath.Join(s.dir, "go.mod"))
	if err != nil || string(tidied) != string(written) {
		t.Errorf("go mod tidy changed go.mod to\n%s%v", tidied, err)
	}
	made, err := os.ReadFile(filepath.Join(s.dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeProgram(server.catalog, s.dir, true); err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile(filepath.Join(s.dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(made)), "\n") {
		if !strings.Contains(string(ours), line+"\n") {
			t.Errorf("-with-sum leaves out %s", line)
		}
	}
	s.expect("go mod verify", true, "all modules verified")
}

func TestRealGoQueries(t *testing.T) {
	server, origin := serveTest(t, nil)
	s := newSession(t, origin.URL, server.sums.verifier)
	s.expect("go mod init use.example", true, "")
	short := commitOf("example.com/a", "v1.1.0")[:12]
	for _, c := range []struct{ line, want string }{
		{"go get example.com/a@latest", "added example.com/a v1.2.1"},
		{"go get example.com/a@v1.0.0", "=> v1.0.0"},
		{"go get example.com/a@v1", "=> v1.2.1"},
		{"go get example.com/a@v1.1", "=> v1.1.0"},
		{"go get example.com/a@master", "=> v1.2.2-0.20250711120000-"},
		{"go get example.com/a@" + short, "=> v1.1.0"},
		{"go list -m -versions example.com/a", "example.com/a v1.0.0 v1.1.0 v1.2.0 v1.2.1 v1.3.0-beta.1"},
		{"go list -m -versions example.com/retracted", "example.com/retracted v1.0.0 v1.2.0\n"},
		{"go get example.com/retracted@v1.1.0", "retracted by module author: it rounds the wrong way"},
		{"go get example.com/a/v2 example.com/a/v3", "added example.com/a/v3 v3.0.0"},
		{"go get example.com/Upper/Case@v1.0.0-RC1", "added example.com/Upper/Case v1.0.0-RC1"},
		{"go get gopkg.in/fixture.v2 gopkg.in/old.v1", "added gopkg.in/old.v1 v0.0.0-20250604120000-"},
		{"go get example.com/untagged", "added example.com/untagged v0.0.0-20250610120000-"},
		{"go get example.com/legacy github.com/Example/Legacy", "added github.com/Example/Legacy v3.1.0+incompatible"},
		{"go get example.com/deprecated", "module example.com/deprecated is deprecated: use example.com/a instead"},
		{"go get a.example/b/c/d/e", "added a.example/b/c v1.1.0"},
		{"go get example.com/large example.com/huge example.com/bigmod example.com/tenk", "added example.com/tenk v1.0.0"},
		{"go list -m -u all", "example.com/Upper/Case v1.0.0-RC1 [v1.1.0]"},
		{"go list -m go@latest", "go 1.99.1"},
		{"GONOSUMDB=private.example go get private.example/secret", "added private.example/secret v1.0.0"},
		{"go install example.com/tool/cmd/greet@v1.1.0", ""},
		{"../gopath/bin/greet", "greet v1.1.0 hello, world, from v1.1.0"},
		{"GOTOOLCHAIN=go1.99.1 go version", "go version go1.99.1 "},
	} {
		s.expect(c.line, true, c.want)
	}
}

func TestRealGoRefusals(t *testing.T) {
	server, origin := serveTest(t, nil)
	s := newSession(t, origin.URL, server.sums.verifier)
	s.expect("go mod init use.example", true, "")
	order(t, origin, `{"path":"/example.com/tenk/@v/v1.0.0.zip","kind":"tampered"}`)
	order(t, origin, `{"path":"/example.com/large/@v/v1.0.0.zip","kind":"truncate"}`)
	order(t, origin, `{"path":"/example.com/deprecated/*","kind":"status","status":403,"body":"not for you"}`)
	for _, c := range []struct{ line, want string }{
		{"go get example.com/missing@v1.0.0", "server response: not found: example.com/missing: the origin has no"},
		{"go get example.com/tampered", "SECURITY ERROR"},
		{"go get example.com/tenk", "SECURITY ERROR"},
		{"go get example.com/large", "unexpected EOF"},
		{"go get example.com/deprecated", "server response: not for you"},
		{"go get private.example/secret", "verifying module"},
		{"GOTOOLCHAIN=go1.99.7 go version", "toolchain not available"},
	} {
		s.expect(c.line, false, c.want)
	}
	do(t, "DELETE", origin.URL+"/__fault", "")
	s.expect("go get example.com/large", true, "added example.com/large v1.0.0")
}
