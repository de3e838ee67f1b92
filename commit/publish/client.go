package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"runlog/feed"
)

// A client speaks with the brokers about one topic. It is made anew for each opening, so that no connection of before and nothing
// it remembers of the cluster is left. One goroutine uses it.
type client struct {
	o         *Options
	kafka     kafka.Client
	transport *kafka.Transport
	login     *login // nil without SASL
	stop      context.CancelFunc
}

// A topicInfo is what the cluster says of the topic.
type topicInfo struct {
	cluster string
	// limit is the most bytes in a batch.
	limit int
}

func connect(o *Options) (*client, error) {
	login, err := o.SASL.login()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	transport := &kafka.Transport{
		ClientID: "runlog", MetadataTopics: []string{o.Topic}, TLS: o.TLS, Context: ctx,
		DialTimeout: min(o.RequestTimeout, defaultDialTimeout),
	}
	if login != nil {
		transport.SASL = login
	}
	return &client{
		o: o, transport: transport, login: login, stop: stop,
		kafka: kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: transport, Timeout: o.RequestTimeout},
	}, nil
}

func (c *client) close() {
	c.transport.CloseIdleConnections()
	c.stop()
}

// topic returns what the cluster says of the topic, which it creates if it may. known says that it existed before.
func (c *client) topic(ctx context.Context, known func(cluster string) bool) (topicInfo, error) {
	m, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.o.Topic}})
	if err != nil {
		return topicInfo{}, c.failed("ask for the topic", err)
	}
	info := topicInfo{cluster: m.ClusterID}
	if len(m.Topics) == 0 || errors.Is(m.Topics[0].Error, kafka.UnknownTopicOrPartition) {
		if known(m.ClusterID) {
			return info, blocked("the topic %s does not exist any more, though commits were published to it. "+
				"Choose another topic with --kafka-topic, or say `runner kafka reset` to create it anew and publish as --kafka-start says", c.o.Topic)
		}
		if err := c.create(ctx); err != nil {
			return info, err
		}
	} else if err := m.Topics[0].Error; err != nil {
		return info, c.failed("ask for the topic", err)
	} else if n := len(m.Topics[0].Partitions); n != 1 {
		return info, blocked("the topic %s has %d partitions: Kafka keeps the order of commits only within one. Choose a topic with one partition, "+
			"or one that does not exist", c.o.Topic, n)
	}
	info.limit, err = c.limit(ctx)
	return info, err
}

// create makes the topic: one partition, and nothing is ever removed from it unless the operator says so later.
func (c *client) create(ctx context.Context) error {
	answer, err := c.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: c.o.Topic, NumPartitions: 1, ReplicationFactor: c.o.Replicas,
		ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "cleanup.policy", ConfigValue: "delete"},
			{ConfigName: "retention.ms", ConfigValue: "-1"},
			{ConfigName: "retention.bytes", ConfigValue: "-1"},
			{ConfigName: "unclean.leader.election.enable", ConfigValue: "false"},
		},
	}}})
	if err == nil {
		err = answer.Errors[c.o.Topic]
	}
	if err == nil || errors.Is(err, kafka.TopicAlreadyExists) {
		return nil
	}
	for _, final := range []kafka.Error{kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.PolicyViolation,
		kafka.InvalidReplicationFactor, kafka.InvalidConfiguration, kafka.InvalidTopic} {
		if errors.Is(err, final) {
			return blocked("the topic %s does not exist and cannot be created: %v. Create it with one partition and cleanup.policy=delete", c.o.Topic, err)
		}
	}
	return c.failed("create the topic", err)
}

// limit returns the most bytes of a batch, and refuses a topic that would forget commits.
func (c *client) limit(ctx context.Context) (int, error) {
	answer, err := c.kafka.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: c.o.Topic, ConfigNames: []string{"max.message.bytes", "cleanup.policy"},
	}}})
	if err == nil && len(answer.Resources) == 0 {
		err = errors.New("no answer about the topic")
	}
	if err == nil {
		err = answer.Resources[0].Error
	}
	if err != nil {
		return 0, c.failed("ask for the topic's settings", err)
	}
	limit := limitDefault
	for _, e := range answer.Resources[0].ConfigEntries {
		switch e.ConfigName {
		case "max.message.bytes":
			if limit, err = strconv.Atoi(e.ConfigValue); err != nil {
				return 0, blocked("the topic %s has max.message.bytes=%s, which is no number", c.o.Topic, e.ConfigValue)
			}
		case "cleanup.policy":
			if strings.Contains(e.ConfigValue, "compact") {
				return 0, blocked("the topic %s has cleanup.policy=%s: compaction would remove commits. Set it to delete, or choose another topic", c.o.Topic, e.ConfigValue)
			}
		}
	}
	if limit < limitMin {
		return 0, blocked("the topic %s takes batches of at most %d bytes (max.message.bytes): at least %d are needed", c.o.Topic, limit, limitMin)
	}
	return min(limit, limitMax), nil
}

// fence makes us the producer of the topic, with an epoch above all before.
func (c *client) fence(ctx context.Context) (producer, error) {
	answer, err := c.kafka.InitProducerID(ctx, &kafka.InitProducerIDRequest{
		TransactionalID: transactionalID(c.o.Topic), TransactionTimeoutMs: 60_000,
		ProducerID: -1, ProducerEpoch: -1,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return producer{}, c.failed("become the producer "+transactionalID(c.o.Topic), err)
	}
	return producer{id: int64(answer.Producer.ProducerID), epoch: int16(answer.Producer.ProducerEpoch)}, nil
}

// transactionalID is the same for all publishers of a topic, so that each new one fences the one before.
func transactionalID(topic string) string { return "runlog/" + topic }

// produce appends a sealed batch and returns the offset of its first record.
func (c *client) produce(ctx context.Context, sealed []byte) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.RequestTimeout)
	defer cancel()
	size := binary.BigEndian.AppendUint32(nil, uint32(len(sealed)))
	answer, err := c.kafka.RawProduce(ctx, &kafka.RawProduceRequest{
		Topic: c.o.Topic, RequiredAcks: kafka.RequireAll,
		RawRecords: protocol.RawRecordSet{Reader: io.MultiReader(bytes.NewReader(size), bytes.NewReader(sealed))},
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return 0, c.failed("publish", err)
	}
	return answer.BaseOffset, nil
}

// offsets returns the first offset of the topic and the one after its last.
func (c *client) offsets(ctx context.Context) (start, end int64, err error) {
	answer, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{c.o.Topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}},
	})
	if err == nil && len(answer.Topics[c.o.Topic]) != 1 {
		err = errors.New("no answer about the partition")
	}
	if err != nil {
		return 0, 0, c.failed("ask how long the topic is", err)
	}
	p := answer.Topics[c.o.Topic][0]
	if p.Error != nil {
		return 0, 0, c.failed("ask how long the topic is", p.Error)
	}
	return p.FirstOffset, p.LastOffset, nil
}

// read calls fn for the records from one offset up to another, not included.
func (c *client) read(ctx context.Context, from, to int64, fn func(*feed.Record)) error {
	for from < to {
		next, err := c.readSome(ctx, from, to, fn)
		if err != nil {
			return err
		}
		if next == from {
			return c.failed("read the topic", fmt.Errorf("nothing at offset %d, below the end %d", from, to))
		}
		from = next
	}
	return nil
}

func (c *client) readSome(ctx context.Context, from, to int64, fn func(*feed.Record)) (int64, error) {
	answer, err := c.kafka.Fetch(ctx, &kafka.FetchRequest{
		Topic: c.o.Topic, Offset: from, MinBytes: 1, MaxBytes: fetchBytesMax, MaxWait: fetchWaitMax,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return from, c.failed("read the topic", err)
	}
	for {
		r, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return from, nil
		}
		if err != nil {
			return from, c.failed("read the topic", err)
		}
		if r.Offset < from || r.Offset >= to {
			continue
		}
		record := &feed.Record{Offset: r.Offset}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, feed.Header{Key: h.Key, Value: h.Value})
		}
		fn(record)
		from = r.Offset + 1
	}
}

// failed gives an error its class. What can only be decided by a person is a *BlockedError; a newer epoch is errFenced; all else is
// errReopen: what became of the request is unknown or does not matter, since the topic is read again.
func (c *client) failed(doing string, err error) error {
	refused := func(advice string) error {
		return blocked("cannot %s (topic %s at %s): %v. %s", doing, c.o.Topic, strings.Join(c.o.Brokers, ","), err, advice)
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return refused("Name the certificate authority with --kafka-tls-ca, and the brokers as their certificates do")
	}
	var code kafka.Error
	if c.login.refused(err) {
		code, err = kafka.SASLAuthenticationFailed, kafka.SASLAuthenticationFailed
	} else if !errors.As(err, &code) {
		return fmt.Errorf("%w: %s: %w", errReopen, doing, reachable(err))
	}
	switch code {
	case kafka.InvalidProducerEpoch, kafka.ProducerFenced:
		return errFenced
	case kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
		return refused("Check --kafka-sasl-mechanism, --kafka-sasl-user and the password")
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed, kafka.BrokerAuthorizationFailed:
		return refused("Allow the user to Read, Write, Describe and DescribeConfigs the topic, and to Write and Describe the transactional id " +
			transactionalID(c.o.Topic))
	case kafka.MessageSizeTooLarge, kafka.InvalidMessageSize, kafka.RecordListTooLarge:
		return refused("Raise max.message.bytes of the topic to what it was when it was first asked for, or check the broker's limits")
	case kafka.InvalidRecord, kafka.InvalidTimestamp, kafka.UnsupportedForMessageFormat, kafka.PolicyViolation, kafka.InvalidTopic,
		kafka.InvalidRequest, kafka.UnsupportedVersion, kafka.InvalidRequiredAcks:
		return refused("The broker will not take what is sent: check the settings of topic and broker")
	}
	return fmt.Errorf("%w: %s: %w", errReopen, doing, err)
}

// reachable says what a network error most likely means.
func reachable(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Errorf("%w: check the names in --kafka-brokers", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", err)
	}
	return err
}
