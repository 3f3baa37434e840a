// What the tests share: one catalog, and an origin on a loopback port.

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// testSizes keep the tests' catalog small.
var testSizes = sizes{large: 300_000, huge: 3*blockSize + 5, bigMod: 100_000}

var testCatalog = sync.OnceValues(func() (*catalog, error) { return makeCatalog(testSizes) })

func makeCatalog(size sizes) (*catalog, error) {
	sums, err := newChecksums("sum.origin.example")
	if err != nil {
		return nil, err
	}
	c := newCatalog(sums)
	return c, everything(c, size)
}

// serveTest starts an origin over the shared catalog, or over its own.
func serveTest(t *testing.T, own *catalog) (*server, *httptest.Server) {
	t.Helper()
	c := own
	if c == nil {
		var err error
		if c, err = testCatalog(); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(c, 1000, "", 0)
	listener := httptest.NewUnstartedServer(s)
	listener.Config.ErrorLog = nil
	listener.Start()
	t.Cleanup(func() {
		s.faults.remove(0)
		close(s.closing)
		listener.CloseClientConnections()
		listener.Close()
	})
	return s, listener
}

type reply struct {
	status int
	header http.Header
	body   string
	err    error // of the request, or of reading its body
}

// get asks on a connection of its own, and follows no redirect.
func get(t *testing.T, url string) reply {
	t.Helper()
	return do(t, http.MethodGet, url, "")
}

func do(t *testing.T, method, url, body string) reply {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, request)
}

func ask(t *testing.T, request *http.Request) reply {
	t.Helper()
	client := &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(data), err}
}

// order puts a fault.
func order(t *testing.T, origin *httptest.Server, fault string) {
	t.Helper()
	if got := do(t, http.MethodPut, origin.URL+"/__fault", fault); got.status != http.StatusOK {
		t.Fatalf("PUT /__fault %s: %d %s %v", fault, got.status, got.body, got.err)
	}
}
