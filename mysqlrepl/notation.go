package mysqlrepl

import "fmt"

// notation is what the two flavors write each in their own words. Nothing outside the flavors' own files asks whose
// server it is.
type notation interface {
	parse(text string) (GTIDs, error)
	// configReplication writes the lines of my.cnf that only a server of a pair has.
	configReplication(f *file)
}

func notationOf(flavor Flavor) (notation, error) {
	switch flavor {
	case MariaDB, "":
		return mariaDBNotation{}, nil
	case MySQL:
		return mysqlNotation{}, nil
	}
	return nil, fmt.Errorf("mysqlrepl: flavor %q is neither mariadb nor mysql", flavor)
}
