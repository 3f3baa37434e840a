// The program as a process: its ready line, its listeners, its end.

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With this in its environment the test binary is the origin.
const asOrigin = "TEST_AS_ORIGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asOrigin) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// start runs the origin as a process of its own and reads its ready line.
func start(t *testing.T, flags ...string) (*exec.Cmd, io.Closer, readyLine) {
	t.Helper()
	command := exec.Command(os.Args[0], flags...)
	command.Env = append(os.Environ(), asOrigin+"=1")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready readyLine
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("the ready line: %v in %q", err, line)
	}
	return command, stdin, ready
}

func TestTheProcessEnds(t *testing.T) {
	small := []string{"-large-size", "1000", "-huge-size", "1000"}
	command, stdin, ready := start(t, append(small, "-exit-with-stdin", "-sumdb", "sum.test.example")...)
	if got := get(t, "http://"+ready.Addr+"/__health"); got.status != 200 {
		t.Errorf("GET /__health: got %+v", got)
	}
	if ready.Sumdb != "sum.test.example" || !strings.HasPrefix(ready.SumdbKey, "sum.test.example+") || ready.TLSAddr != "" {
		t.Errorf("the ready line: got %+v", ready)
	}
	_ = stdin.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("after the end of stdin: %v", err)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		command, _, ready := start(t, small...)
		order := `{"path":"*","kind":"hang"}`
		do(t, http.MethodPut, "http://"+ready.Addr+"/__fault", order)
		go get(t, "http://"+ready.Addr+modPath)
		get(t, "http://"+ready.Addr+"/__requests?min=1")
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("%s while a request hangs: %v", signal, err)
		}
	}
}

func TestWrongFlags(t *testing.T) {
	for _, c := range []struct{ flags, want string }{
		{"-tls-cert x", "-tls-cert, -tls-key: expected both or none"},
		{"-sumdb bad+name", "-sumdb: expected a name"},
		{"-large-size 0", "expected at least one byte"},
		{"surplus", "expected flags only"},
	} {
		command := exec.Command(os.Args[0], strings.Fields(c.flags)...)
		command.Env = append(os.Environ(), asOrigin+"=1")
		if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), c.want) {
			t.Errorf("%s: expected failure with %q, got %v\n%s", c.flags, c.want, err, output)
		}
	}
}

func TestWriteProgramFlag(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	command := exec.Command(os.Args[0], "-write-program", dir)
	command.Env = append(os.Environ(), asOrigin+"=1")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for name, there := range map[string]bool{"go.mod": true, "main.go": true, "go.sum": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != there {
			t.Errorf("%s: expected there %v, got %v", name, there, err)
		}
	}
}

func TestTLSAndClientCertificates(t *testing.T) {
	certFile, keyFile, pair := selfSigned(t)
	_, _, ready := start(t, "-exit-with-stdin", "-large-size", "1000", "-huge-size", "1000",
		"-tls-cert", certFile, "-tls-key", keyFile, "-tls-client-ca", certFile)
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	ask := func(certificates ...tls.Certificate) (*http.Response, error) {
		config := &tls.Config{RootCAs: pool, Certificates: certificates}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		return client.Get("https://" + ready.TLSAddr + modPath)
	}
	if response, err := ask(); err == nil {
		t.Errorf("without a client certificate: expected a refusal, got %d", response.StatusCode)
	}
	if response, err := ask(pair); err != nil || response.StatusCode != 200 {
		t.Errorf("with a client certificate: got %+v %v", response, err)
	}
	var list []request
	if err := json.Unmarshal([]byte(get(t, "http://"+ready.Addr+"/__requests").body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].ClientName != "CN=origin test" {
		t.Errorf("expected one request with the certificate's name, got %+v", list)
	}
}

// selfSigned makes a certificate for 127.0.0.1 that is its own CA.
func selfSigned(t *testing.T) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shape := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "origin test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
