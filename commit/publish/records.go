package publish

import (
	"strconv"

	"runlog/feed"
	"runlog/log"
)

func header(key, text string) feed.Header { return feed.Header{Key: key, Value: []byte(text)} }

// headers are those that every record has.
func (s *session) headers(kind string) []feed.Header {
	return []feed.Header{
		header(feed.HeaderVersion, strconv.Itoa(feed.Version)),
		header(feed.HeaderType, kind),
		header(feed.HeaderLog, s.p.logID),
		header(feed.HeaderEpoch, strconv.Itoa(int(s.producer.epoch))),
	}
}

func position(off log.Offset, ts log.Timestamp) []feed.Header {
	return []feed.Header{
		header(feed.HeaderSeq, strconv.FormatUint(uint64(off), 10)),
		header(feed.HeaderTS, strconv.FormatUint(uint64(ts), 10)),
	}
}

// A packer puts envelopes into batches: several in one, or one in several.
type packer struct {
	// limit is the most bytes of a batch.
	limit int
	key   []byte
	full  func(*load) error
	open  *load
}

// A load is a batch and what it completes.
type load struct {
	batch   batch
	commits int
	// last is the last commit completed, sum its checksum; 0 if the load completes none.
	last log.Offset
	sum  string
	ts   log.Timestamp
}

// add packs one envelope. done is called on the load that completes it.
func (k *packer) add(time int64, envelope []byte, headers []feed.Header, done func(*load)) error {
	r := record{time: time, key: k.key, value: envelope, headers: headers}
	if batchHeaderLen+r.sizeMax() > k.limit {
		return k.split(&r, done)
	}
	if k.open != nil && k.open.batch.size()+r.sizeMax() > k.limit {
		if err := k.flush(); err != nil {
			return err
		}
	}
	k.put(&r)
	done(k.open)
	return nil
}

func (k *packer) put(r *record) {
	if k.open == nil {
		k.open = &load{}
	}
	k.open.batch.add(r)
}

// split packs an envelope that is larger than a batch: in parts, each in a batch of its own but for the last, which others may share.
func (k *packer) split(r *record, done func(*load)) error {
	if err := k.flush(); err != nil {
		return err
	}
	headers := r.headers[:len(r.headers):len(r.headers)]
	// The header of the part is longest with the highest number, of which nine digits are allowed for.
	empty := record{time: r.time, key: r.key, headers: append(headers, header(feed.HeaderPart, "999999999/999999999"))}
	room := k.limit - batchHeaderLen - empty.sizeMax()
	parts := (len(r.value) + room - 1) / room
	rest := r.value
	for i := 1; i <= parts; i++ {
		n := min(room, len(rest))
		k.put(&record{time: r.time, key: r.key, value: rest[:n],
			headers: append(headers, header(feed.HeaderPart, strconv.Itoa(i)+"/"+strconv.Itoa(parts)))})
		rest = rest[n:]
		if i < parts {
			if err := k.flush(); err != nil {
				return err
			}
		}
	}
	done(k.open)
	return nil
}

// flush hands over what is packed.
func (k *packer) flush() error {
	if k.open == nil {
		return nil
	}
	l := k.open
	k.open = nil
	return k.full(l)
}
