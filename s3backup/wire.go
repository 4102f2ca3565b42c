package s3backup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
)

// wire is a session of the MySQL protocol that somebody else has opened and logged in: just enough of the protocol
// to ask it more.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
type wire struct {
	conn            net.Conn
	deprecateEOF    bool
	queryAttributes bool
}

const (
	commandQuit  = 0x01
	commandQuery = 0x03

	capabilityCompress        = 1 << 5
	capabilityTLS             = 1 << 11
	capabilityDeprecateEOF    = 1 << 24
	capabilityQueryAttributes = 1 << 27
)

var errPacket = errors.New("s3backup: packet of the MySQL protocol is malformed")

// readPacket reads one packet. More than 16 MiB would come in several; no answer that is asked for here does.
func readPacket(r io.Reader) (sequence byte, payload []byte, err error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	_, err = io.ReadFull(r, payload)
	return header[3], payload, err
}

func writePacket(w io.Writer, sequence byte, payload []byte) error {
	n := len(payload)
	_, err := w.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence}, payload...))
	return err
}

// query implements asker.
func (w *wire) query(ctx context.Context, statement string) ([][]string, error) {
	stop := context.AfterFunc(ctx, func() { _ = w.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	rows, err := w.ask(statement)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return rows, err
}

func (w *wire) ask(statement string) ([][]string, error) {
	command := []byte{commandQuery}
	if w.queryAttributes {
		command = append(command, 0, 1) // no parameters, in one set
	}
	if err := writePacket(w.conn, 0, append(command, statement...)); err != nil {
		return nil, err
	}
	_, first, err := readPacket(w.conn)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, errPacket
	}
	switch first[0] {
	case 0xff:
		return nil, serverError(first)
	case 0x00:
		return nil, nil
	}
	columns, _, err := lengthEncoded(first)
	if err != nil {
		return nil, err
	}
	definitions := int(columns)
	if !w.deprecateEOF {
		definitions++
	}
	for range definitions {
		if _, _, err := readPacket(w.conn); err != nil {
			return nil, err
		}
	}
	return w.rows(int(columns))
}

func (w *wire) rows(columns int) ([][]string, error) {
	var all [][]string
	for {
		_, packet, err := readPacket(w.conn)
		switch {
		case err != nil:
			return nil, err
		case len(packet) == 0:
			return nil, errPacket
		case packet[0] == 0xff:
			return nil, serverError(packet)
		case packet[0] == 0xfe && (len(packet) < 9 || w.deprecateEOF):
			return all, nil
		}
		row := make([]string, columns)
		for i := range row {
			if len(packet) > 0 && packet[0] == 0xfb { // NULL
				packet = packet[1:]
				continue
			}
			n, rest, err := lengthEncoded(packet)
			if err != nil || uint64(len(rest)) < n {
				return nil, errPacket
			}
			row[i], packet = string(rest[:n]), rest[n:]
		}
		all = append(all, row)
	}
}

func lengthEncoded(b []byte) (uint64, []byte, error) {
	if len(b) == 0 {
		return 0, nil, errPacket
	}
	width := map[byte]int{0xfc: 2, 0xfd: 3, 0xfe: 8}[b[0]]
	switch {
	case b[0] < 0xfb:
		return uint64(b[0]), b[1:], nil
	case width == 0 || len(b) < 1+width:
		return 0, nil, errPacket
	}
	var wide [8]byte
	copy(wide[:], b[1:1+width])
	return binary.LittleEndian.Uint64(wide[:]), b[1+width:], nil
}

func serverError(packet []byte) error {
	if len(packet) < 3 {
		return errPacket
	}
	text := packet[3:]
	if len(text) >= 6 && text[0] == '#' {
		text = text[6:]
	}
	return &mysql.MySQLError{Number: binary.LittleEndian.Uint16(packet[1:3]), Message: string(text)}
}
