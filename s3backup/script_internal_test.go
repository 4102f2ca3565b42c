package s3backup

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func statements(t *testing.T, text string) ([]string, []kind, error) {
	t.Helper()
	s := newScript(strings.NewReader(text))
	var all []string
	var kinds []kind
	for {
		st, err := s.next()
		if errors.Is(err, io.EOF) {
			return all, kinds, nil
		}
		if err != nil {
			return all, kinds, err
		}
		all, kinds = append(all, string(st.text)), append(kinds, st.kind())
	}
}

func TestScript(t *testing.T) {
	all, kinds, err := statements(t, "/*M!999999\\- enable the sandbox mode */ \n-- comment; \n\n/* SET @@GLOBAL.GTID_PURGED='+a:1-5,\nb:1-3';*/\nUSE `a``b`;\n"+
		"CREATE TABLE `t` (\n  `x;\n` int COMMENT 'a;\n''b\\';',\n  `y` int -- ;\n);\n/* ;\n */ SET x = 1;\n"+
		"INSERT INTO `t` VALUES\n(1,'it''s; (');'),\n(2,'\\n');\n"+
		"/*!50003 SET sql_mode = '' */ ;\nDELIMITER ;;\nCREATE TRIGGER x BEGIN\n SELECT 1;\n SELECT 2;\nEND */;;\nDELIMITER ;\n"+
		"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT */;\n/*!50001 DROP VIEW IF EXISTS `v`*/;\nDROP TABLE IF EXISTS `t`;\n"+
		"-- Dump completed on 2026-11-24\n")
	require.NoError(t, err)
	require.Equal(t, []string{
		"USE `a``b`", "CREATE TABLE `t` (\n  `x;\n` int COMMENT 'a;\n''b\\';',\n  `y` int -- ;\n)", "/* ;\n */ SET x = 1",
		"INSERT INTO `t` VALUES\n(1,'it''s; (');'),\n(2,'\\n')", "/*!50003 SET sql_mode = '' */",
		"CREATE TRIGGER x BEGIN\n SELECT 1;\n SELECT 2;\nEND */", "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT */",
		"/*!50001 DROP VIEW IF EXISTS `v`*/", "DROP TABLE IF EXISTS `t`",
	}, all)
	require.Equal(t, []kind{use, data, data, data, setting, object, create, object, data}, kinds)
}

func TestScriptRefusesWhatIsNotWhole(t *testing.T) {
	for _, text := range []string{
		"", "SELECT 1;\n", "SELECT 1;\n-- Dump completed\nSELECT", "INSERT INTO `t` VALUES\n(1),\n", "CREATE TABLE `x;\n", "-- Dump comp",
		"DELIMITER ;;\nCREATE TRIGGER x;\n-- Dump completed\n",
	} {
		_, _, err := statements(t, text)
		require.ErrorIs(t, err, ErrTruncated, "%q", text)
	}
}
