package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOrdinaryAnswers(t *testing.T) {
	_, origin := serveTest(t, nil)
	whole := get(t, origin.URL+zipPath)
	if whole.status != 200 || whole.header.Get("Content-Type") != "application/zip" || whole.header.Get("ETag") == "" {
		t.Errorf("an archive: got %d %v", whole.status, whole.header)
	}
	head := do(t, http.MethodHead, origin.URL+zipPath, "")
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != whole.header.Get("Content-Length") {
		t.Errorf("HEAD: got %+v", head)
	}
	request, _ := http.NewRequest(http.MethodGet, origin.URL+zipPath, nil)
	request.Header.Set("Range", "bytes=100-299")
	if part := ask(t, request); part.status != 206 || part.body != whole.body[100:300] {
		t.Errorf("Range: got %d, %d bytes", part.status, len(part.body))
	}
	request.Header = http.Header{"If-None-Match": {whole.header.Get("ETag")}}
	if same := ask(t, request); same.status != 304 {
		t.Errorf("If-None-Match: expected 304, got %d", same.status)
	}
	if got := do(t, http.MethodPost, origin.URL+modPath, "x"); got.status != 405 || got.header.Get("Allow") == "" {
		t.Errorf("POST: expected 405 with Allow, got %+v", got)
	}
	missing := get(t, origin.URL+"/example.com/missing/@v/list")
	if missing.status != 404 || !strings.Contains(missing.body, "example.com/missing") {
		t.Errorf("a missing module: got %+v", missing)
	}
}

func TestEscapedPathsAreOneAnswer(t *testing.T) {
	_, origin := serveTest(t, nil)
	bang := get(t, origin.URL+"/example.com/!upper/!case/@v/v1.0.0.mod")
	percent := get(t, origin.URL+"/example.com/%21upper/%21case/@v/v1.0.0.mod")
	if bang.status != 200 || bang.body != percent.body {
		t.Errorf("expected one answer, got %+v and %+v", bang, percent)
	}
	list := awaitRequests(t, origin, "?path=/example.com/!upper/*")
	if len(list) != 2 || !strings.Contains(list[1].Raw, "%21upper") {
		t.Errorf("expected both as they were spelled, got %+v", list)
	}
}

func TestTheLog(t *testing.T) {
	_, origin := serveTest(t, nil)
	request, _ := http.NewRequest(http.MethodGet, origin.URL+modPath+"?q=1", nil)
	request.Header.Set("X-Request-Id", "seven")
	ask(t, request)
	list := awaitRequests(t, origin, "?min=1&done=true")
	if len(list) != 1 || list[0].Headers.Get("X-Request-Id") != "seven" || list[0].Raw != modPath+"?q=1" ||
		list[0].Status != 200 || list[0].Bytes == 0 || list[0].Aborted {
		t.Errorf("expected one entry with its header, got %+v", list)
	}
	do(t, http.MethodDelete, origin.URL+"/__requests", "")
	if list := awaitRequests(t, origin, ""); len(list) != 0 {
		t.Errorf("expected an empty log, got %+v", list)
	}
	if got := get(t, origin.URL+"/__nonsense"); got.status != 404 {
		t.Errorf("an unknown control: expected 404, got %d", got.status)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	log := newRequestLog(3)
	for range 10 {
		log.begin(httptest.NewRequest(http.MethodGet, modPath, nil))
	}
	if kept := log.matching("*", false); len(kept) != 3 || kept[0].Sequence != 8 {
		t.Errorf("expected the last 3 of 10, got %+v", kept)
	}
	if counts := log.snapshot(); counts.Unlogged != 7 || counts.Requests != 10 {
		t.Errorf("expected 7 of 10 unlogged, got %+v", counts)
	}
}

func TestBaseAndDelay(t *testing.T) {
	c, err := testCatalog()
	if err != nil {
		t.Fatal(err)
	}
	origin := httptest.NewServer(newServer(c, 10, "/api/go/", 40*time.Millisecond))
	defer origin.Close()
	start := time.Now()
	if got := get(t, origin.URL+"/api/go"+modPath); got.status != 200 || time.Since(start) < 40*time.Millisecond {
		t.Errorf("below the base: got %+v after %s", got, time.Since(start))
	}
	if got := get(t, origin.URL+modPath); got.status != 404 {
		t.Errorf("beside the base: expected 404, got %d", got.status)
	}
}

func TestFaultsOverHTTP2AndTLS(t *testing.T) {
	c, err := testCatalog()
	if err != nil {
		t.Fatal(err)
	}
	for _, http2 := range []bool{true, false} {
		s := newServer(c, 10, "", 0)
		origin := httptest.NewUnstartedServer(s)
		origin.EnableHTTP2 = http2
		origin.StartTLS()
		transport := &http.Transport{
			ForceAttemptHTTP2: http2,
			TLSClientConfig:   &tls.Config{RootCAs: origin.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		}
		client := &http.Client{Transport: transport}
		s.faults.add(&fault{Path: "*", Kind: "reset", Times: 1, deleted: make(chan struct{})})
		if _, err := client.Post(origin.URL+modPath, "", nil); err == nil {
			t.Errorf("HTTP/2 %v: expected a reset", http2)
		}
		response, err := client.Get(origin.URL + modPath)
		if err != nil || response.StatusCode != 200 || (response.ProtoMajor == 2) != http2 {
			t.Errorf("HTTP/2 %v: got %+v %v", http2, response, err)
		}
		if entries := s.log.matching("*", false); len(entries) != 2 || !entries[1].TLS {
			t.Errorf("HTTP/2 %v: expected two entries over TLS, got %+v", http2, entries)
		}
		transport.CloseIdleConnections()
		origin.Close()
	}
}
