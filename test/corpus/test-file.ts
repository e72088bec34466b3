import { splitStatements } from '../../src/classify/split-statements.js';
import type { LexMode } from '../../src/classify/classification.js';

/** Of the language of MySQL's test files, what is no SQL. */
const COMMANDS: ReadonlySet<string> = new Set(
  `append_file assert cat_file change_user character_set chmod connect connection copy_file copy_files_wildcard dec delimiter die diff_files
   dirty_close disable_abort_on_error disable_connect_log disable_info disable_metadata disable_ps_protocol disable_query_log
   disable_reconnect disable_result_log disable_rpl_parse disable_session_track_info disable_testcase disable_warnings disconnect echo
   enable_abort_on_error enable_connect_log enable_info enable_metadata enable_ps_protocol enable_query_log enable_reconnect
   enable_result_log enable_rpl_parse enable_session_track_info enable_testcase enable_warnings end error exec exec_in_background
   execw exit expr file_exists force-cpdir force-rmdir horizontal_results if inc let list_files list_files_append_file
   list_files_write_file lowercase_result mkdir move_file output partially_sorted_result perl ping query_attributes query_get_value
   real_sleep reap remove_file remove_files_wildcard replace_column replace_numeric_round replace_regex replace_result reset_connection
   result_format rmdir save_master_pos send_eval send_quit send_shutdown shutdown_server skip skip_if_hypergraph sleep sorted_result
   source start_timer sync_slave_with_master sync_with_master vertical_results wait_for_slave_to_stop while write_file`.split(
    /\s+/,
  ),
);
/** What stands before a statement. */
const PREFIX = /^(?:eval|evalp|query|query_vertical|query_horizontal|send)\s+/i;
/** A text in the test's own language goes on to a line of its own. */
const INLINE_TEXT = /^(?:--\s*)?(?:perl|write_file|append_file)\b[^\n]*?(?:\s(\w+))?;?\s*$/i;

/** `--` without a space begins no comment of SQL. */
const COMMAND_LINE = /^\s*(?:#|--[a-z])/i;
const ONLY_COMMENT = /^\/\*[^!+][^*]*\*\/$/;

/** Cuts a test file into its SQL statements: those that have variables of the test language in them are left out. */
export function statementsOf(file: Buffer, mode: LexMode): string[] {
  const script = Buffer.from(withoutCommands(file.toString('latin1')), 'latin1');
  const statements: string[] = [];
  for (const { start, stop } of splitStatements(script, mode)) {
    const sql = script
      .toString('latin1', start, stop)
      .replace(/^[\s}]+/, '')
      .replace(/^(?:#[^\n]*(?:\n\s*|$))+/, '')
      .replace(PREFIX, '')
      .trim();
    const [word = ''] = /^[\w-]*/.exec(sql) ?? [];
    if (
      sql === '' ||
      ONLY_COMMENT.test(sql) ||
      COMMANDS.has(word.toLowerCase()) ||
      /\$\w/.test(sql) ||
      /^[{}]/.test(sql)
    )
      continue;
    statements.push(sql);
  }
  return statements;
}

function withoutCommands(text: string): string {
  const kept: string[] = [];
  let delimiter = ';';
  let textEnd: string | undefined;
  let inStatement = false;
  for (const line of text.split('\n')) {
    if (textEnd !== undefined) {
      if (line.trim().replace(/;$/, '') === textEnd) textEnd = undefined;
      continue;
    }
    if (inStatement) {
      // Commands for the statement may stand in the middle of it.
      if (!COMMAND_LINE.test(line)) kept.push(line);
      inStatement = !endsWith(line, delimiter);
      continue;
    }
    const inline = INLINE_TEXT.exec(line);
    const chosen = /^\s*(?:--\s*)?delimiter\s+(\S.*?)\s*$/i.exec(line)?.[1];
    if (inline !== null) textEnd = inline[1] === undefined || /perl/i.test(inline[1]) ? 'EOF' : inline[1];
    else if (chosen !== undefined) {
      // The old delimiter ends the command that sets the new one.
      delimiter =
        chosen.length > delimiter.length && chosen.endsWith(delimiter) ? chosen.slice(0, -delimiter.length) : chosen;
      delimiter = delimiter.trim();
      kept.push(`DELIMITER ${delimiter}`);
    } else if (!/^\s*(?:#|--|[{}]|$|(?:if|while)\b.*\{?\s*$)/i.test(line)) {
      kept.push(line);
      inStatement = !endsWith(line, delimiter);
    }
  }
  return kept.join('\n');
}

/** Whether a statement ends on the line, before a comment. */
function endsWith(line: string, delimiter: string): boolean {
  return [line, line.replace(/\s*(?:#|-- ).*$/, '')].some((it) => it.trimEnd().endsWith(delimiter));
}
