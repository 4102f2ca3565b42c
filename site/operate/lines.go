package operate

import "bytes"

// lineWriter hands on what is written to it line by line, without the line's end. What has none is kept back.
type lineWriter struct {
	line func([]byte) error
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.rest = rest
		if err := w.line(line); err != nil {
			return len(p), err
		}
	}
}
