// Command kafka-consumer keeps a SQLite database in step with a runlog database, from the topic that runlog publishes to.
//
// Each transaction is applied as a whole, and the place in the topic is saved with it: killed at any moment, the consumer
// goes on where it was, and nothing counts twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"

	"runlog/feed"
)

func main() {
	brokers := flag.String("brokers", "127.0.0.1:9092", "brokers of the topic, HOST:PORT,…")
	topic := flag.String("topic", "runlog", "topic to follow")
	path := flag.String("db", "copy.db", "SQLite database to keep in step")
	untilEnd := flag.Bool("until-end", false, "stop at what is the end of the topic now, instead of waiting for more")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, strings.Split(*brokers, ","), *topic, *path, *untilEnd)
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "kafka-consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, brokers []string, topic, path string, untilEnd bool) error {
	target, err := openStore(path)
	if err != nil {
		return err
	}
	defer target.close()
	end := int64(-1)
	if untilEnd {
		if end, err = endOf(ctx, brokers[0], topic); err != nil {
			return err
		}
	}
	err = follow(ctx, brokers, topic, target, end)
	fmt.Printf("%s is at commit %d\n", path, target.at.Position.Seq)
	return err
}

// endOf returns the offset behind the last record.
func endOf(ctx context.Context, broker, topic string) (int64, error) {
	conn, err := kafka.DialLeader(ctx, "tcp", broker, topic, 0)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of %s: %w", topic, err)
	}
	defer conn.Close()
	return conn.ReadLastOffset()
}

// follow reads the one partition by offset: a consumer group has nothing to share out here.
func follow(ctx context.Context, brokers []string, topic string, target *store, end int64) error {
	records := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: topic, MinBytes: 1, MaxBytes: 16 << 20})
	defer records.Close()
	if err := records.SetOffset(target.at.Offset); err != nil {
		return err
	}
	reader := feed.NewReader(target.at.Position)
	for next := target.at.Offset; end < 0 || next < end; {
		m, err := records.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		next = m.Offset + 1
		record := feed.Record{Offset: m.Offset, Value: m.Value}
		for _, h := range m.Headers {
			record.Headers = append(record.Headers, feed.Header(h))
		}
		t, err := reader.Add(record)
		if err != nil {
			return err // a gap, another database, a newer format: whoever goes on has a wrong copy
		}
		if t == nil {
			continue
		}
		if err := target.apply(t, place{Offset: next, Position: reader.Position()}); err != nil {
			return fmt.Errorf("apply commit %d: %w", t.Seq, err)
		}
	}
	return nil
}
