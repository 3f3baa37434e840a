// Origin is the module proxy and the checksum database that the tests, the demo and the benchmarks of
// goproxy-wasm run against. It makes everything it serves when it starts, the same in every run, and
// misbehaves on demand. README.md lists the modules and the faults.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	listen, tlsListen, tlsCert, tlsKey, tlsClientCA string
	sumdb, base, writeProgram                       string
	delay                                           time.Duration
	keep                                            int
	exitWithStdin, withSum                          bool
	sizes                                           sizes
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("origin: ")
	if err := run(parseOptions()); err != nil {
		log.Fatal(err)
	}
}

func parseOptions() options {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	flag.StringVar(&o.tlsListen, "tls-listen", "127.0.0.1:0", "`address` of the https listener, which -tls-cert asks for")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "`file` with the certificate chain (PEM)")
	flag.StringVar(&o.tlsKey, "tls-key", "", "`file` with the certificate's key (PEM)")
	flag.StringVar(&o.tlsClientCA, "tls-client-ca", "", "`file` with the CA that clients' certificates must be signed by (PEM)")
	flag.StringVar(&o.sumdb, "sumdb", "sum.origin.example", "`name` of the checksum database; its key follows from it")
	flag.StringVar(&o.base, "base", "", "`path` that stands before every module, such as /artifactory/api/go/go")
	flag.DurationVar(&o.delay, "delay", 0, "`duration` that every answer waits, to play an origin that is far away")
	flag.IntVar(&o.keep, "log", 20_000, "`number` of requests that the log keeps")
	flag.BoolVar(&o.exitWithStdin, "exit-with-stdin", false, "end when standard input ends")
	flag.StringVar(&o.writeProgram, "write-program", "", "write the program that needs the whole family to this `folder`, and end")
	flag.BoolVar(&o.withSum, "with-sum", false, "with -write-program: write its go.sum too")
	o.sizes = defaultSizes
	flag.IntVar(&o.sizes.large, "large-size", o.sizes.large, "`bytes` in the archive of example.com/large")
	flag.IntVar(&o.sizes.huge, "huge-size", o.sizes.huge, "`bytes` in the archive of example.com/huge")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: origin [flags]\n\n"+
			"Serves Go modules and a checksum database, and prints one line of JSON once it does:\n"+
			"{\"addr\":..., \"tls_addr\":..., \"sumdb\":..., \"sumdb_key\":...}\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("expected flags only, got %q", flag.Arg(0))
	}
	return o
}

func run(o options) error {
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return errors.New("-tls-cert, -tls-key: expected both or none")
	}
	if o.sizes.large < 1 || o.sizes.huge < 1 {
		return errors.New("-large-size, -huge-size: expected at least one byte")
	}
	sums, err := newChecksums(o.sumdb)
	if err != nil {
		return err
	}
	c := newCatalog(sums)
	if err := everything(c, o.sizes); err != nil {
		return err
	}
	if o.writeProgram != "" {
		return writeProgram(c, o.writeProgram, o.withSum)
	}
	return serve(o, newServer(c, o.keep, o.base, o.delay))
}

// serve opens the listeners, says so, and serves until it is told to end.
func serve(o options, s *server) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.exitWithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	plain, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	ready := readyLine{Addr: plain.Addr().String(), Sumdb: s.sums.name, SumdbKey: s.sums.verifier}
	httpServer := &http.Server{
		Handler:  s,
		ErrorLog: log.Default(),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.log.connected()
			}
		},
	}
	failed := make(chan error, 2)
	if o.tlsCert != "" {
		if httpServer.TLSConfig, err = tlsConfig(o); err != nil {
			return err
		}
		encrypted, err := net.Listen("tcp", o.tlsListen)
		if err != nil {
			return err
		}
		ready.TLSAddr = encrypted.Addr().String()
		go func() { failed <- httpServer.ServeTLS(encrypted, "", "") }()
	}
	go func() { failed <- httpServer.Serve(plain) }()
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	close(s.closing)
	return httpServer.Close()
}

// A readyLine is what is printed once the origin serves.
type readyLine struct {
	Addr     string `json:"addr"`
	TLSAddr  string `json:"tls_addr,omitempty"`
	Sumdb    string `json:"sumdb"`
	SumdbKey string `json:"sumdb_key"`
}

func tlsConfig(o options) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, err
	}
	// Said here: Serve and ServeTLS on one server race for who sets HTTP/2 up, and the loser would speak HTTP/1.1 to h2.
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if o.tlsClientCA == "" {
		return config, nil
	}
	data, err := os.ReadFile(o.tlsClientCA)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("-tls-client-ca: expected a PEM certificate in %s", o.tlsClientCA)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}
