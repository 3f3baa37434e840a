package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	modPath = "/example.com/a/@v/v1.0.0.mod"
	zipPath = "/example.com/large/@v/v1.0.0.zip"
)

func TestFaultsOfAnAnswer(t *testing.T) {
	_, origin := serveTest(t, nil)
	honest := get(t, origin.URL+modPath)
	for _, c := range []struct {
		name, fault string
		want        func(reply) bool
	}{
		{"status", `"kind":"status","status":429,"body":"slow down","headers":{"Retry-After":"5"}`,
			func(r reply) bool {
				return r.status == 429 && r.body == "slow down" && r.header.Get("Retry-After") == "5"
			}},
		{"status alone", `"kind":"status"`,
			func(r reply) bool { return r.status == 503 && strings.Contains(r.body, "as ordered") }},
		{"204", `"kind":"status","status":204`, func(r reply) bool { return r.status == 204 && r.body == "" }},
		{"body", `"kind":"body","body":"{}"`, func(r reply) bool { return r.status == 200 && r.body == "{}" }},
		{"body of bytes", `"kind":"body","body_base64":"/wA="`, func(r reply) bool { return r.body == "\xff\x00" }},
		{"html", `"kind":"html"`,
			func(r reply) bool {
				return r.status == 200 && strings.HasPrefix(r.header.Get("Content-Type"), "text/html")
			}},
		{"headers", `"kind":"headers","headers":{"X-Odd":"\u00ffy","Cache-Control":"no-store"}`,
			func(r reply) bool {
				return r.body == honest.body && r.header.Get("X-Odd") == "\xffy" && r.header.Get("Cache-Control") == "no-store"
			}},
		{"partial", `"kind":"partial","after":3`,
			func(r reply) bool { return r.status == 206 && r.body == honest.body[:3] }},
		{"chunked", `"kind":"chunked"`,
			func(r reply) bool { return r.body == honest.body && r.header.Get("Content-Length") == "" }},
		{"drip", `"kind":"drip","chunk":9,"delay":"1ms"`, func(r reply) bool { return r.body == honest.body }},
		{"redirect", `"kind":"redirect","location":"/__signed{path}?Signature=x"`,
			func(r reply) bool {
				return r.status == 302 && r.header.Get("Location") == "/__signed"+modPath+"?Signature=x"
			}},
		{"truncate", `"kind":"truncate","after":5`,
			func(r reply) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) && r.body == honest.body[:5] }},
		{"close", `"kind":"close"`, func(r reply) bool { return errors.Is(r.err, io.EOF) }},
		{"reset", `"kind":"reset"`, func(r reply) bool { return errors.Is(r.err, syscall.ECONNRESET) }},
		{"reset in the body", `"kind":"reset_body"`,
			func(r reply) bool { return r.status == 200 && r.err != nil && r.body != honest.body }},
		{"tampered", `"kind":"tampered"`, func(r reply) bool { return r.status == 200 && r.body != honest.body }},
		{"raw", `"kind":"raw","body":"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"`,
			func(r reply) bool { return r.status == 200 && r.body == "hi" }},
	} {
		order(t, origin, `{"path":"*/v1.0.0.mod","times":1,`+c.fault+`}`)
		if got := get(t, origin.URL+modPath); !c.want(got) {
			t.Errorf("%s: got %+v", c.name, got)
		}
		if got := get(t, origin.URL+modPath); got.status != 200 || got.body != honest.body {
			t.Errorf("after %s: expected the ordinary answer, got %+v", c.name, got)
		}
	}
}

func TestSignedCopies(t *testing.T) {
	_, origin := serveTest(t, nil)
	if got := get(t, origin.URL+signed+modPath); got.status != http.StatusForbidden {
		t.Errorf("without a signature: expected 403, got %d", got.status)
	}
	if got := get(t, origin.URL+signed+modPath+"?Signature=x"); got.body != get(t, origin.URL+modPath).body {
		t.Errorf("with a signature: got %+v", got)
	}
}

func TestALongList(t *testing.T) {
	_, origin := serveTest(t, nil)
	order(t, origin, `{"path":"/example.com/a/@v/list","kind":"list"}`)
	if got := strings.Count(get(t, origin.URL+"/example.com/a/@v/list").body, "\n"); got != 1_000_000 {
		t.Errorf("expected a million lines, got %d", got)
	}
}

func TestDelays(t *testing.T) {
	_, origin := serveTest(t, nil)
	for _, kind := range []string{"delay", "delay_body"} {
		order(t, origin, `{"path":"*","kind":"`+kind+`","delay":"60ms","times":1}`)
		start := time.Now()
		got := get(t, origin.URL+modPath)
		if took := time.Since(start); got.status != 200 || got.err != nil || took < 60*time.Millisecond {
			t.Errorf("%s: %d %v after %s", kind, got.status, got.err, took)
		}
	}
}

func TestWhichRequestsAFaultHits(t *testing.T) {
	_, origin := serveTest(t, nil)
	order(t, origin, `{"path":"/example.com/a/*","method":"GET","kind":"status","skip":1,"times":2}`)
	var got []int
	for range 4 {
		got = append(got, get(t, origin.URL+modPath).status)
	}
	if want := [...]int{200, 503, 503, 200}; [4]int(got) != want {
		t.Errorf("skip 1, times 2: expected %v, got %v", want, got)
	}
	var list []fault
	if err := json.Unmarshal([]byte(get(t, origin.URL+"/__fault").body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Hits != 2 {
		t.Errorf("expected one fault with 2 hits, got %+v", list)
	}
	order(t, origin, `{"path":"*","kind":"status"}`)
	if got := do(t, http.MethodDelete, origin.URL+"/__fault", ""); got.body != "{\"deleted\":2}\n" {
		t.Errorf("DELETE /__fault: got %q", got.body)
	}
	if got := get(t, origin.URL+modPath); got.status != 200 {
		t.Errorf("after the faults: got %d", got.status)
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	_, origin := serveTest(t, nil)
	for body, field := range map[string]string{
		`{"kind":"nonsense"}`:                 "kind:",
		`{"kind":"status","status":99}`:       "status:",
		`{"kind":"delay","delay":5}`:          "delay:",
		`{"kind":"redirect"}`:                 "location:",
		`{"kind":"status","tiems":1}`:         "tiems",
		`{"kind":"body","body_base64":"***"}`: "body_base64:",
		`{"kind":"status","times":-1}`:        "times",
		`not json`:                            "invalid character",
	} {
		got := do(t, http.MethodPut, origin.URL+"/__fault", body)
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, field) {
			t.Errorf("%s: expected 400 that names %q, got %d %q", body, field, got.status, got.body)
		}
	}
}

func TestHoldAnswersWhenTheFaultGoes(t *testing.T) {
	_, origin := serveTest(t, nil)
	order(t, origin, `{"path":"`+modPath+`","kind":"hold"}`)
	replies := make(chan reply, 3)
	for range cap(replies) {
		go func() { replies <- get(t, origin.URL+modPath) }()
	}
	if got := awaitRequests(t, origin, "?min=3&path="+modPath); len(got) != 3 || got[0].Done {
		t.Fatalf("expected 3 requests that wait, got %+v", got)
	}
	do(t, http.MethodDelete, origin.URL+"/__fault", "")
	for range cap(replies) {
		if got := <-replies; got.status != 200 {
			t.Errorf("expected the ordinary answer, got %+v", got)
		}
	}
	var counts stats
	if err := json.Unmarshal([]byte(get(t, origin.URL+"/__stats").body), &counts); err != nil {
		t.Fatal(err)
	}
	if counts.MaxInFlight != 3 || counts.ByPath[modPath] != 3 {
		t.Errorf("expected 3 in flight at once and 3 of the path, got %+v", counts)
	}
}

func TestHangLastsUntilTheClientLeaves(t *testing.T) {
	_, origin := serveTest(t, nil)
	order(t, origin, `{"path":"*","kind":"hang"}`)
	client := http.Client{Timeout: 50 * time.Millisecond}
	if _, err := client.Get(origin.URL + modPath); err == nil {
		t.Fatal("expected no answer")
	}
	got := awaitRequests(t, origin, "?min=1&done=true")
	if len(got) != 1 || !got[0].Aborted {
		t.Errorf("expected one aborted request, got %+v", got)
	}
}

func awaitRequests(t *testing.T, origin *httptest.Server, query string) []request {
	t.Helper()
	var list []request
	if err := json.Unmarshal([]byte(get(t, origin.URL+"/__requests"+query).body), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "/a/b", true}, {"/a", "/a", true}, {"/a", "/a/b", false}, {"/a*", "/a/b", true},
		{"*.zip", "/a/@v/v1.0.0.zip", true}, {"*.zip", "/a.zip/b", false},
		{"/a/*/b/*.mod", "/a/x/b/y.mod", true}, {"/a/*/b/*.mod", "/a/x/c/y.mod", false},
		{"*a*a", "a", false}, {"*a*a", "aa", true}, {"", "", true},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("glob(%q, %q): expected %v", c.pattern, c.text, c.want)
		}
	}
}
