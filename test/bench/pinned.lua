-- oltp_point_select by sessions that keep their connection: a user variable that SELECT gave its value binds them to it. With --pin=off, by sessions that share.
require("oltp_common")

sysbench.cmdline.options.pin = {"Whether each session keeps a connection", "on"}

function prepare_statements()
   if sysbench.opt.pin == "on" then
      con:query("SELECT 1 INTO @pin")
   end
   prepare_point_selects()
end

function event()
   execute_point_selects()
end
