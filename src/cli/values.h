// The values that flags take, from text. Errors say what was expected; the flag's name is put in front by who knows it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cloche/config.h"
#include "cloche/kelpie.h"
#include "cloche/result.h"

namespace cloche::cli {

// "512" (MiB), "512M", "512MiB", "4G", "4GiB", "1T", "65536K": in MiB.
Result<uint64_t> parse_memory(const std::string& text);
// The same in bytes, exactly.
Result<uint64_t> parse_size(const std::string& text);
// "5" (seconds), "500ms", "5s", "2m", "1h".
Result<std::chrono::milliseconds> parse_duration(const std::string& text);
// The same, and "0".
Result<std::chrono::milliseconds> parse_grace(const std::string& text);
// "1" to as many as 32 bits hold.
Result<uint32_t> parse_count(const std::string& text);
// "UID" or "UID:GID", in numbers.
Result<User> parse_user(const std::string& text);
// "HOST:GUEST" or "HOST:GUEST:OPTION[,OPTION...]". HOST may contain colons.
Result<Share> parse_share(const std::string& text);
// "PATH[:ro][,OPTION...]", of which PATH has no commas.
Result<Disk> parse_disk(const std::string& text);
// The same with options of a root: what is parsed goes behind `config`'s disks, and is its root.
Result<void> parse_root_disk(const std::string& text, Config& config);
// "TYPE=SOCKET[,OPTION...]", of which SOCKET has no commas.
Result<VhostUserDevice> parse_vhost_user(const std::string& text);
// "nofile=1024" or "nofile=1024:2048"; "unlimited" or -1 for none.
Result<Limit> parse_limit(const std::string& text);
// "SOCKET", and behind commas, in any order, "listen" or "connect", and "agent" or "command". SOCKET may have commas.
Result<KelpiePort> parse_kelpie_port(const std::string& text);
// "host" or a directory.
Root parse_root(const std::string& text);

// All of a file that has at most `limit` bytes, whole MiB.
Result<std::string> read_file(const std::string& path, size_t limit);

// Adds "NAME=value" to `environment`; for "NAME" alone, the caller's own value, if it has one.
Result<void> add_variable(const std::string& text, std::vector<std::string>& environment);
// The same for each line of a file but empty ones and those that begin with #.
Result<void> add_variables_of_file(const std::string& path, std::vector<std::string>& environment);

}  // namespace cloche::cli
