// What a fault does to the answer it hits.

package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const loginPage = "<!doctype html>\n<html><head><title>Sign in</title></head>\n" +
	"<body><form method=post><input name=user><input name=password type=password></form></body></html>\n"

// misbehave plays f for a request whose ordinary answer is honest (nil: 404).
func (s *server) misbehave(w *recorder, r *http.Request, f *fault, path string, honest *answer) {
	if f.Kind != "delay_body" && f.Kind != "drip" {
		s.pause(r, time.Duration(f.Delay))
	}
	for name, value := range f.Headers {
		w.Header()[http.CanonicalHeaderKey(name)] = []string{latin1(value)}
	}
	switch f.Kind {
	case "status":
		writeText(w, f, statusOr(f, http.StatusServiceUnavailable))
	case "body":
		writeText(w, f, statusOr(f, http.StatusOK))
	case "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.send(r, bodyOf([]byte(loginPage)), statusOr(f, http.StatusOK))
	case "redirect":
		w.Header()["Location"] = []string{latin1(strings.ReplaceAll(f.Location, "{path}", r.URL.Path))}
		w.WriteHeader(statusOr(f, http.StatusFound))
	case "list":
		writeLongList(w, r, f.Lines)
	case "close":
		w.cut(false)
	case "reset":
		w.cut(true)
	case "raw":
		w.raw(f.Body)
	case "hang":
		s.wait(r, nil)
	case "hold":
		s.wait(r, f.deleted)
		s.ordinary(w, r, path, honest)
	case "delay", "headers":
		s.ordinary(w, r, path, honest)
	default:
		s.misbehaveInBody(w, r, f, path, honest)
	}
}

// misbehaveInBody plays the faults that need a body: the ordinary one, or the fault's own.
func (s *server) misbehaveInBody(w *recorder, r *http.Request, f *fault, path string, honest *answer) {
	if f.Body != "" {
		honest = &answer{contentType: "text/plain; charset=utf-8", body: bodyOf([]byte(f.Body))}
	}
	if honest == nil {
		s.ordinary(w, r, path, honest)
		return
	}
	if f.Kind == "tampered" {
		s.ordinary(w, r, path, s.catalog.tampered(path, honest))
		return
	}
	header, data := w.Header(), honest.body
	after := f.After
	if after == 0 || after > data.size {
		after = data.size / 2
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", honest.contentType)
	}
	status := statusOr(f, http.StatusOK)
	if f.Kind == "partial" {
		header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", after-1, data.size))
		header.Set("Content-Length", strconv.FormatInt(after, 10))
		w.WriteHeader(statusOr(f, http.StatusPartialContent))
		w.part(data, 0, after)
		return
	}
	if f.Kind != "chunked" {
		header.Set("Content-Length", strconv.FormatInt(data.size, 10))
	}
	w.WriteHeader(status)
	switch f.Kind {
	case "chunked":
		w.part(data, 0, after)
		w.flush()
		w.part(data, after, data.size)
	case "truncate":
		w.part(data, 0, after)
		w.flush()
		panic(http.ErrAbortHandler)
	case "reset_body":
		w.part(data, 0, after)
		w.flush()
		w.cut(true)
	case "delay_body":
		w.part(data, 0, after)
		w.flush()
		s.pause(r, time.Duration(f.Delay))
		w.part(data, after, data.size)
	case "drip":
		s.drip(w, r, f, data)
	}
}

func (s *server) drip(w *recorder, r *http.Request, f *fault, data body) {
	chunk, delay := max(f.Chunk, 1), time.Duration(f.Delay)
	if delay == 0 {
		delay = 50 * time.Millisecond
	}
	for at := int64(0); at < data.size; at += chunk {
		if at > 0 {
			s.pause(r, delay)
		}
		w.part(data, at, min(at+chunk, data.size))
		w.flush()
	}
}

// pause waits. When the client leaves or the origin ends meanwhile, it aborts the answer.
func (s *server) pause(r *http.Request, delay time.Duration) {
	if delay <= 0 {
		return
	}
	over := make(chan struct{})
	timer := time.AfterFunc(delay, func() { close(over) })
	defer timer.Stop()
	s.wait(r, over)
}

// wait returns when released is closed; otherwise as pause.
func (s *server) wait(r *http.Request, released <-chan struct{}) {
	select {
	case <-released:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-s.closing:
		panic(http.ErrAbortHandler)
	}
}

func statusOr(f *fault, status int) int {
	if f.Status != 0 {
		return f.Status
	}
	return status
}

func writeText(w *recorder, f *fault, status int) {
	text := f.Body
	if text == "" {
		text = fmt.Sprintf("origin: %d %s, as ordered\n", status, http.StatusText(status))
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	}
	w.WriteHeader(status)
	w.part(bodyOf([]byte(text)), 0, int64(len(text)))
}

func writeLongList(w *recorder, r *http.Request, lines int) {
	if lines == 0 {
		lines = 1_000_000
	}
	var list strings.Builder
	for i := range lines {
		list.WriteString("v1.0." + strconv.Itoa(i) + "\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.send(r, bodyOf([]byte(list.String())), http.StatusOK)
}

// latin1 turns each rune into one byte, so that JSON can order any header value.
func latin1(text string) string {
	bytes := make([]byte, 0, len(text))
	for _, letter := range text {
		bytes = append(bytes, byte(letter))
	}
	return string(bytes)
}

// cut ends the connection as it is; with reset by RST. On HTTP/2 the stream is reset instead.
func (w *recorder) cut(reset bool) {
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.aborted = true
	if encrypted, ok := conn.(*tls.Conn); ok && reset {
		conn = encrypted.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// raw writes bytes to the connection in place of an answer.
func (w *recorder) raw(data string) {
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	n, _ := conn.Write([]byte(data))
	w.written += int64(n)
	_ = conn.Close()
}
