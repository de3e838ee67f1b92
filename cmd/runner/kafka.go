package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"runlog/commit/publish"
	"runlog/internal/obs"
)

// cursorFile is where the publisher notes how far it has come, in the data folder.
const cursorFile = "kafka.json"

const defaultTopic = "runlog"

// kafkaFlags say where commits are published to; without brokers nothing is.
type kafkaFlags struct {
	brokers                           []string
	topic, start                      string
	replicas                          int
	mechanism, user, password         string
	tls                               bool
	tlsCA, tlsCert, tlsKey, tlsServer string
}

func (k *kafkaFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&k.brokers, "kafka-brokers", nil, "publish every commit to Kafka, through these brokers: `HOST:PORT,…`")
	flags.StringVar(&k.topic, "kafka-topic", defaultTopic, "topic to publish to, created if it does not exist")
	flags.StringVar(&k.start, "kafka-start", string(publish.StartBeginning), "where a new topic starts: beginning, for every commit there ever was, or snapshot, for the documents of now and the commits from now on")
	flags.IntVar(&k.replicas, "kafka-replicas", -1, "replicas of a topic that is created (default: the cluster's)")
	flags.StringVar(&k.mechanism, "kafka-sasl-mechanism", "", "log in to the brokers by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	flags.StringVar(&k.user, "kafka-sasl-user", "", "user to log in as")
	flags.StringVar(&k.password, "kafka-sasl-password", "", "password to log in with; better set as "+envName("kafka-sasl-password"))
	flags.BoolVar(&k.tls, "kafka-tls", false, "speak TLS with the brokers")
	flags.StringVar(&k.tlsCA, "kafka-tls-ca", "", "certificate authorities that sign the brokers', in PEM (default: the system's): `FILE`")
	flags.StringVar(&k.tlsCert, "kafka-tls-cert", "", "our certificate, in PEM, where brokers want one: `FILE`")
	flags.StringVar(&k.tlsKey, "kafka-tls-key", "", "the key of our certificate, in PEM: `FILE`")
	flags.StringVar(&k.tlsServer, "kafka-tls-server-name", "", "name in the brokers' certificates, if it is not that of --kafka-brokers")
}

func (k *kafkaFlags) enabled() bool { return len(k.brokers) > 0 }

// validate reports flags that mean nothing together.
func (k *kafkaFlags) validate() error {
	if !k.enabled() {
		if k.mechanism != "" || k.user != "" || k.tls {
			return errors.New("there are flags for Kafka, but no --kafka-brokers")
		}
		return nil
	}
	if !k.tls && (k.tlsCA != "" || k.tlsCert != "" || k.tlsKey != "" || k.tlsServer != "") {
		return errors.New("there are files for TLS with Kafka, but no --kafka-tls")
	}
	if (k.tlsCert == "") != (k.tlsKey == "") {
		return errors.New("--kafka-tls-cert and --kafka-tls-key go together")
	}
	if _, err := k.tlsConfig(); err != nil {
		return err
	}
	if s := publish.Start(k.start); s != publish.StartBeginning && s != publish.StartSnapshot {
		return fmt.Errorf("--kafka-start is %q, want %s or %s", k.start, publish.StartBeginning, publish.StartSnapshot)
	}
	return nil
}

func (k *kafkaFlags) tlsConfig() (*tls.Config, error) {
	if !k.tls {
		return nil, nil
	}
	c := &tls.Config{ServerName: k.tlsServer}
	if k.tlsCA != "" {
		pem, err := os.ReadFile(k.tlsCA)
		if err != nil {
			return nil, fmt.Errorf("--kafka-tls-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--kafka-tls-ca: there is no certificate in PEM in %s", k.tlsCA)
		}
	}
	if k.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(k.tlsCert, k.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("--kafka-tls-cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// openPublisher starts to publish, if that is wanted. It does not wait for brokers.
func (a *app) openPublisher() error {
	k := &a.flags.kafka
	if !k.enabled() {
		return nil
	}
	config, err := k.tlsConfig()
	if err != nil {
		return err
	}
	a.publisher, err = publish.Open(publish.Options{
		Log: a.engine.Log, Brokers: k.brokers, Topic: k.topic, Start: publish.Start(k.start), Replicas: k.replicas,
		SASL: publish.SASL{Mechanism: k.mechanism, User: k.user, Password: k.password}, TLS: config,
		CursorFile: filepath.Join(a.flags.data, cursorFile), Logger: a.logger,
	})
	if err != nil {
		return err
	}
	return a.telemetry.WatchKafka(func() obs.KafkaStats {
		s := a.publisher.Status()
		return obs.KafkaStats{
			Publishing: s.State == publish.StatePublishing, State: string(s.State), Published: s.Published,
			Lag: s.Lag, LagSeconds: s.LagSeconds, Opened: s.Opened, Lost: s.Lost,
		}
	})
}

// kafkaDetail is what everybody may see of the publisher: not the reason, in which brokers are named.
type kafkaDetail struct {
	State      publish.State `json:"state"`
	Lag        uint64        `json:"lag"`
	LagSeconds float64       `json:"lagSeconds"`
}

func (a *app) kafkaDetail() *kafkaDetail {
	if a.publisher == nil {
		return nil
	}
	s := a.publisher.Status()
	return &kafkaDetail{State: s.State, Lag: uint64(s.Lag), LagSeconds: s.LagSeconds}
}

// kafkaStatus is what an admin sees; nil without a publisher.
func (a *app) kafkaStatus() any {
	if a.publisher == nil {
		return nil
	}
	return a.publisher.Status()
}

func (p *program) kafkaCommand() *cobra.Command {
	var c runCall
	cmd := &cobra.Command{
		Use:   "kafka",
		Short: "Ask how publishing to Kafka fares, and decide what only people can",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p.begun = false
			return errors.New("say status or reset")
		},
	}
	status := &cobra.Command{
		Use:   "status",
		Short: "Print how publishing fares; exit code 1 if it does not",
		Long: "Without --url, the server is the one that runs on the data folder of the app in this folder or above it.\n" +
			"The exit code is 1 if nothing is being published, and why is printed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.kafkaStatus(cmd.Context(), &c) },
	}
	status.Flags().StringVar(&c.url, "url", "", "address of the server: `URL`")
	status.Flags().StringVar(&c.adminKey, "admin-key", "", "admin key, `NAME|SECRET`")
	status.Flags().StringVar(&c.data, "data", "", "data folder of the server, to find its address in: `DIR`")
	var data, topic string
	reset := &cobra.Command{
		Use:   "reset",
		Short: "Accept that a topic was deleted or made anew, and publish to it as to a new one",
		Long: "Forgets what was published to the topic. A topic that holds commits is still followed behind its last one; one that holds\n" +
			"none starts as --kafka-start says. A server that runs need not be stopped: it looks again by itself.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.kafkaReset(data, topic) },
	}
	reset.Flags().StringVar(&data, "data", defaultData, "data folder: `DIR`")
	reset.Flags().StringVar(&topic, "kafka-topic", defaultTopic, "the topic")
	cmd.AddCommand(status, reset)
	return cmd
}

func (p *program) kafkaStatus(ctx context.Context, c *runCall) error {
	raw, err := askAdmin(ctx, c, "GET", "/api/kafka_status", nil)
	if err != nil {
		return err
	}
	var s publish.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("the server's answer is not JSON: %w", err)
	}
	fmt.Fprintf(p.stdout, "topic      %s\nstate      %s\n", s.Topic, s.State)
	if s.Reason != "" {
		fmt.Fprintf(p.stdout, "reason     %s\n", s.Reason)
	}
	fmt.Fprintf(p.stdout, "published  %d of %d commits\nlag        %d commits, %.1f s\n", s.Published, s.Durable, s.Lag, s.LagSeconds)
	fmt.Fprintf(p.stdout, "opened     %d times, producer epoch %d\n", s.Opened, s.Epoch)
	if s.Lost > 0 {
		fmt.Fprintf(p.stdout, "lost       %d commits that brokers had acknowledged; they were published again\n", s.Lost)
	}
	if s.State != publish.StatePublishing {
		return errTold
	}
	return nil
}

func (p *program) kafkaReset(data, topic string) error {
	found, err := publish.Forget(filepath.Join(data, cursorFile), topic)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("nothing is known of a topic %s in %s: there is nothing to reset", topic, data)
	}
	fmt.Fprintf(p.stdout, "the topic %s counts as new\n", topic)
	return nil
}
