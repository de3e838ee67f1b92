package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// folderFormat is the newest format of a data folder: the key space, and which storage formats may occur in it.
const folderFormat = 1

// A headFile says how far the log was durable at some moment not long ago.
//
// The storage engine cannot tell a damaged last write from one that a power loss tore: both are cut off silently. The head file
// can: an entry it vouches for must be there. Entries beyond it may be there or not.
//
// Invariant: it never names an entry that is not durable. It may lag: it is written after each sync without being waited
// for, and synced itself now and then and at the end. So it is exact after a stop or a kill, and at most
// Options.HeadSyncInterval behind after a power loss.
//
// There are two slots. While one is being synced nothing is written to the other, so whenever power is lost, at least one
// is whole.
type headFile struct {
	file vfs.File
	id   logID
	// counter grows with each write; the slot with the higher one is the newer.
	counter uint64
	slot    int // the one to write next
}

type logID [16]byte

const (
	headFileName   = "runlog.head"
	headMagic      = "runlog\x00H"
	headSlotSize   = 4096 // a page: slots never share a sector
	headSlots      = 2
	headRecordLen  = 8 + 4 + 4 + 16 + 8 + 8 + 8 + 32
	headCRCLen     = 4
	headFileLength = headSlots * headSlotSize
)

// headRecord is what a slot holds.
type headRecord struct {
	format  uint32
	id      logID
	counter uint64
	head    Head
}

func (r *headRecord) encode() []byte {
	b := make([]byte, 0, headRecordLen+headCRCLen)
	b = append(b, headMagic...)
	b = binary.LittleEndian.AppendUint32(b, r.format)
	b = append(b, 0, 0, 0, 0)
	b = append(b, r.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, r.counter)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.head.Offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.head.Timestamp))
	b = append(b, r.head.Sum[:]...)
	return binary.LittleEndian.AppendUint32(b, headCRC(b))
}

// decodeHeadRecord returns false if the slot was torn or damaged. Magic, format and checksum have their places in all formats,
// so that the record of a newer one can be told from a damaged one.
func decodeHeadRecord(b []byte) (headRecord, bool) {
	if len(b) < headRecordLen+headCRCLen || string(b[:8]) != headMagic ||
		binary.LittleEndian.Uint32(b[headRecordLen:]) != headCRC(b[:headRecordLen]) {
		return headRecord{}, false
	}
	return headRecord{
		format:  binary.LittleEndian.Uint32(b[8:]),
		id:      logID(b[16:32]),
		counter: binary.LittleEndian.Uint64(b[32:]),
		head: Head{
			Offset:    Offset(binary.LittleEndian.Uint64(b[40:])),
			Timestamp: Timestamp(binary.LittleEndian.Uint64(b[48:])),
			Sum:       Hash(b[56:88]),
		},
	}, true
}

func headCRC(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// readHeadFile returns the newest whole record of the folder's head file, or nil if there is no such file.
func readHeadFile(fs vfs.FS, dir string) (*headRecord, error) {
	path := fs.PathJoin(dir, headFileName)
	file, err := fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open head file: %w", err)
	}
	defer file.Close()
	buf := make([]byte, headFileLength)
	n, err := io.ReadFull(file, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read head file: %w", err)
	}
	var newest *headRecord
	for at := 0; at < n; at += headSlotSize {
		r, ok := decodeHeadRecord(buf[at:min(n, at+headSlotSize)])
		if ok && (newest == nil || r.counter > newest.counter) {
			newest = &r
		}
	}
	if newest == nil {
		return nil, &CorruptionError{Where: path, Detail: "neither of its two records is whole"}
	}
	if newest.format > folderFormat {
		return nil, &FormatError{Where: dir, What: "data folder", Found: uint64(newest.format), Supported: folderFormat}
	}
	return newest, nil
}

// createHeadFile makes a head file of a head that is durable, replacing one that is there, and syncs it and the folder.
func createHeadFile(fs vfs.FS, dir string, id logID, head Head) error {
	tmp := fs.PathJoin(dir, headFileName+".tmp")
	r := headRecord{format: folderFormat, id: id, counter: 1, head: head}
	buf := make([]byte, headFileLength)
	for slot := range headSlots {
		copy(buf[slot*headSlotSize:], r.encode())
	}
	if err := writeFileSync(fs, tmp, buf); err != nil {
		return fmt.Errorf("create head file: %w", err)
	}
	if err := fs.Rename(tmp, fs.PathJoin(dir, headFileName)); err != nil {
		return fmt.Errorf("create head file: %w", err)
	}
	return syncDir(fs, dir)
}

func writeFileSync(fs vfs.FS, path string, content []byte) error {
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openHeadFile opens the head file that holds last for writing.
func openHeadFile(fs vfs.FS, dir string, last *headRecord) (*headFile, error) {
	file, err := fs.OpenReadWrite(fs.PathJoin(dir, headFileName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open head file: %w", err)
	}
	return &headFile{file: file, id: last.id, counter: last.counter}, nil
}

func (f *headFile) write(head Head) error {
	f.counter++
	r := headRecord{format: folderFormat, id: f.id, counter: f.counter, head: head}
	_, err := f.file.WriteAt(r.encode(), int64(f.slot*headSlotSize))
	if err != nil {
		return fmt.Errorf("write head file: %w", err)
	}
	return nil
}

// sync makes the slot that was written durable and turns to the other.
func (f *headFile) sync() error {
	if err := f.file.SyncData(); err != nil {
		return fmt.Errorf("sync head file: %w", err)
	}
	f.slot = (f.slot + 1) % headSlots
	return nil
}

func (f *headFile) close() error { return f.file.Close() }

// A headKeeper writes the head file as entries become durable. One goroutine, from newHeadKeeper to close.
type headKeeper struct {
	file     *headFile
	interval time.Duration
	durable  func() Head
	onError  func(error)
	// wake holds one token when the durable head has risen. Sent by rose, which drops the token if one is there; never closed.
	wake chan struct{}
	// stop is closed by close.
	stop chan struct{}
	done sync.WaitGroup
}

func newHeadKeeper(file *headFile, interval time.Duration, durable func() Head, onError func(error)) *headKeeper {
	k := &headKeeper{
		file:     file,
		interval: interval,
		durable:  durable,
		onError:  onError,
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	k.done.Go(k.run) // ended by close, or by the first error
	return k
}

// rose tells the keeper that the durable head has risen. It does not wait.
func (k *headKeeper) rose() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *headKeeper) run() {
	var due <-chan time.Time // when to sync; nil while all that was written is synced
	for {
		var err error
		select {
		case <-k.stop:
			return
		case <-k.wake:
			err = k.file.write(k.durable())
			if due == nil {
				due = time.After(k.interval)
			}
		case <-due:
			err, due = k.file.sync(), nil
		}
		if err != nil {
			k.onError(err)
			return
		}
	}
}

// close ends the goroutine, then writes head, if it is known, for good.
func (k *headKeeper) close(head *Head) error {
	close(k.stop)
	k.done.Wait()
	var err error
	if head != nil {
		err = k.file.write(*head)
		if err == nil {
			err = k.file.sync()
		}
	}
	return errors.Join(err, k.file.close())
}
