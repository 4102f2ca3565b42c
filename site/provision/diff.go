package provision

import (
	"fmt"
	"strings"
)

const (
	diffContext  = 3
	diffMaxCells = 4 << 20 // of the table; above it the changed middle is shown as replaced as a whole
)

// edit is one line of a diff: ' ' kept, '-' removed, '+' added.
type edit struct {
	op   byte
	line string
}

// unifiedDiff returns how the text a of path becomes b, as diff -u prints it; empty where they are equal.
// A nil a or b is a file that does not exist.
func unifiedDiff(path string, a, b *string) string {
	from, to := "a"+path, "b"+path
	var x, y []string
	if a == nil {
		from = "/dev/null"
	} else {
		x = splitLines(*a)
	}
	if b == nil {
		to = "/dev/null"
	} else {
		y = splitLines(*b)
	}
	edits := diffLines(x, y)
	var out strings.Builder
	for _, h := range hunks(edits) {
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
		}
		h.write(&out, edits)
	}
	return out.String()
}

// splitLines splits a text into lines that keep their newline.
func splitLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// diffLines returns the edits that turn x into y, by a longest common subsequence.
func diffLines(x, y []string) []edit {
	start := 0
	for start < len(x) && start < len(y) && x[start] == y[start] {
		start++
	}
	endX, endY := len(x), len(y)
	for endX > start && endY > start && x[endX-1] == y[endY-1] {
		endX--
		endY--
	}
	edits := make([]edit, 0, len(x)+len(y)-start)
	for _, l := range x[:start] {
		edits = append(edits, edit{' ', l})
	}
	edits = append(edits, diffMiddle(x[start:endX], y[start:endY])...)
	for _, l := range x[endX:] {
		edits = append(edits, edit{' ', l})
	}
	return edits
}

func diffMiddle(x, y []string) []edit {
	var edits []edit
	n, m := len(x), len(y)
	i, j := 0, 0
	if n*m <= diffMaxCells {
		length := commonLengths(x, y)
		for i < n && j < m {
			switch {
			case x[i] == y[j]:
				edits = append(edits, edit{' ', x[i]})
				i++
				j++
			case length[(i+1)*(m+1)+j] >= length[i*(m+1)+j+1]:
				edits = append(edits, edit{'-', x[i]})
				i++
			default:
				edits = append(edits, edit{'+', y[j]})
				j++
			}
		}
	}
	for ; i < n; i++ {
		edits = append(edits, edit{'-', x[i]})
	}
	for ; j < m; j++ {
		edits = append(edits, edit{'+', y[j]})
	}
	return edits
}

// commonLengths returns, at i*(len(y)+1)+j, the length of the longest common subsequence of x[i:] and y[j:].
func commonLengths(x, y []string) []int32 {
	w := len(y) + 1
	length := make([]int32, (len(x)+1)*w)
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				length[i*w+j] = length[(i+1)*w+j+1] + 1
				continue
			}
			length[i*w+j] = max(length[(i+1)*w+j], length[i*w+j+1])
		}
	}
	return length
}

// hunk is a range of edits, and the lines of both files before it.
type hunk struct{ start, end, oldLine, newLine int }

// hunks groups the changes with the lines around them.
func hunks(edits []edit) []hunk {
	var out []hunk
	oldLine, newLine, last := 0, 0, -1
	for i, e := range edits {
		if e.op != ' ' {
			if last >= 0 && i-last <= 2*diffContext+1 {
				out[len(out)-1].end = i + 1
			} else {
				lead := min(diffContext, i)
				if last >= 0 {
					lead = min(lead, i-last-1)
				}
				out = append(out, hunk{i - lead, i + 1, oldLine - lead, newLine - lead})
			}
			last = i
		}
		if e.op != '+' {
			oldLine++
		}
		if e.op != '-' {
			newLine++
		}
	}
	for i := range out {
		out[i].end = min(out[i].end+diffContext, len(edits))
	}
	return out
}

func (h hunk) write(out *strings.Builder, edits []edit) {
	oldCount, newCount := 0, 0
	for _, e := range edits[h.start:h.end] {
		if e.op != '+' {
			oldCount++
		}
		if e.op != '-' {
			newCount++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", diffRange(h.oldLine, oldCount), diffRange(h.newLine, newCount))
	for _, e := range edits[h.start:h.end] {
		out.WriteByte(e.op)
		out.WriteString(e.line)
		if !strings.HasSuffix(e.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func diffRange(before, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	if count == 1 {
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, count)
}
