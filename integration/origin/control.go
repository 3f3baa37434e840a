// The control API under /__: faults, the log, and what changes while the origin runs.

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// control answers the paths of the control API, and says whether this was one. They are not logged.
func (s *server) control(w http.ResponseWriter, r *http.Request) bool {
	name, ok := strings.CutPrefix(r.URL.Path, "/__")
	if !ok || strings.HasPrefix(r.URL.Path, signed) {
		return false
	}
	handler := map[string]func(*http.Request) (any, error){
		"GET health":      func(*http.Request) (any, error) { return map[string]bool{"ok": true}, nil },
		"GET modules":     func(*http.Request) (any, error) { return s.catalog.listings(), nil },
		"GET stats":       func(*http.Request) (any, error) { return s.log.snapshot(), nil },
		"GET requests":    s.getRequests,
		"DELETE requests": s.deleteRequests,
		"GET fault":       s.getFaults,
		"PUT fault":       s.putFault,
		"POST fault":      s.putFault,
		"DELETE fault":    s.deleteFault,
		"POST publish":    s.postPublish,
		"POST grow":       s.postGrow,
	}[r.Method+" "+name]
	if handler == nil {
		http.Error(w, "no such control: "+r.Method+" /__"+name, http.StatusNotFound)
		return true
	}
	reply, err := handler(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return true
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
	return true
}

// getRequests answers ?path=GLOB&min=N&wait=5s&done=true: it waits until N such requests were seen.
func (s *server) getRequests(r *http.Request) (any, error) {
	query := r.URL.Query()
	pattern := query.Get("path")
	if pattern == "" {
		pattern = "*"
	}
	atLeast, wait := 0, 10*time.Second
	var err error
	if text := query.Get("min"); text != "" {
		if atLeast, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("min: expected a number, got %q", text)
		}
	}
	if text := query.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("wait: expected a duration such as \"5s\", got %q", text)
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	return s.log.await(pattern, query.Get("done") == "true", atLeast, timer.C), nil
}

func (s *server) deleteRequests(*http.Request) (any, error) {
	s.log.clear()
	return map[string]bool{"ok": true}, nil
}

func (s *server) getFaults(*http.Request) (any, error) {
	data, err := s.faults.json()
	return json.RawMessage(data), err
}

func (s *server) putFault(r *http.Request) (any, error) {
	order, err := parseFault(r.Body)
	if err != nil {
		return nil, err
	}
	return map[string]int{"id": s.faults.add(order)}, nil
}

func (s *server) deleteFault(r *http.Request) (any, error) {
	id := 0
	if text := r.URL.Query().Get("id"); text != "" {
		var err error
		if id, err = strconv.Atoi(text); err != nil || id < 1 {
			return nil, fmt.Errorf("id: expected the number of a fault, got %q", text)
		}
	}
	return map[string]int{"deleted": s.faults.remove(id)}, nil
}

// postPublish publishes {"module", "version", "time"}: a further version of a module that there is.
func (s *server) postPublish(r *http.Request) (any, error) {
	order := struct {
		Module  string    `json:"module"`
		Version string    `json:"version"`
		Time    time.Time `json:"time"`
	}{Time: day(100)}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&order); err != nil {
		return nil, err
	}
	if err := s.catalog.republish(order.Module, order.Version, order.Time); err != nil {
		return nil, err
	}
	return map[string]string{"published": module.Version{Path: order.Module, Version: order.Version}.String()}, nil
}

// postGrow adds ?n= records to the checksum database.
func (s *server) postGrow(r *http.Request) (any, error) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 1 || n > 100_000 {
		return nil, fmt.Errorf("n: expected 1 to 100000, got %q", r.URL.Query().Get("n"))
	}
	s.sums.grow(n)
	return map[string]int{"size": s.sums.size()}, nil
}
