#include "sandbox/record.h"

#include <nlohmann/json.hpp>
#include <span>
#include <type_traits>

namespace cloche::sandbox {
namespace {

using nlohmann::json;

// Names, arguments and paths are bytes to Linux, and JSON is text. What is not UTF-8 becomes {"bytes": TEXT} with a
// character U+0000 to U+00FF for each byte.
json put_text(const std::string& text) {
  json as_it_is = text;
  try {
    static_cast<void>(as_it_is.dump());
    return as_it_is;
  } catch (const json::type_error&) {
  }
  std::string mapped;
  for (char each : text) {
    auto byte = static_cast<uint8_t>(each);
    if (byte >= 0x80) mapped += static_cast<char>(0xc0 | byte >> 6);
    mapped += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3f));
  }
  return {{"bytes", mapped}};
}

std::string get_text(const json& from) {
  if (!from.is_object()) return from.get<std::string>();
  std::string mapped = from.at("bytes"), text;
  for (size_t at = 0; at < mapped.size(); ++at) {
    auto byte = static_cast<uint8_t>(mapped[at]);
    if (byte >= 0x80) byte = static_cast<uint8_t>(byte << 6 | (static_cast<uint8_t>(mapped.at(++at)) & 0x3f));
    text += static_cast<char>(byte);
  }
  return text;
}

// Each struct's fields stand in one list, which Put writes and Get reads: the two directions cannot differ.
template <typename Fields, typename Struct>
void list(Fields& fields, Struct& value) = delete;  // Every struct has a list of its own below.

class Put {
 public:
  template <typename T>
  void operator()(const char* name, const T& value) {
    to[name] = of(value);
  }
  template <typename T>
  void operator()(const char* name, const T& value, std::span<const char* const> names) {
    to[name] = names[static_cast<size_t>(value)];
  }
  json to = json::object();

 private:
  template <typename T>
  static json of(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else {
      Put fields;
      list(fields, const_cast<T&>(value));  // Which Put only reads.
      return std::move(fields.to);
    }
  }
  static json of(const std::string& text) { return put_text(text); }
  static json of(const std::chrono::milliseconds& time) { return time.count(); }
  template <typename T>
  static json of(const std::optional<T>& value) {
    return value ? of(*value) : json();
  }
  template <size_t N>
  static json of(const std::array<uint8_t, N>& bytes) {
    return std::vector<uint8_t>(bytes.begin(), bytes.end());
  }
  template <typename T>
  static json of(const std::vector<T>& values) {
    json all = json::array();
    for (const T& value : values) all.push_back(of(value));
    return all;
  }
  static json of(const std::map<std::string, std::string>& values) {
    json all = json::array();
    for (const auto& [name, value] : values) all.push_back({of(name), of(value)});
    return all;
  }
};

// Exceptions of the JSON library say what is wrong; decode_record() catches them. A field that is not there was not
// known to the cloche that wrote the record, and keeps its default.
class Get {
 public:
  explicit Get(const json& from) : from_(from) {}
  template <typename T>
  void operator()(const char* name, T& value) {
    if (auto field = from_.find(name); field != from_.end()) take(*field, value);
  }
  template <typename T>
  void operator()(const char* name, T& value, std::span<const char* const> names) {
    if (!from_.contains(name)) return;
    std::string given = from_.at(name);
    auto found = std::ranges::find(names, given);
    if (found == names.end()) throw json::other_error::create(501, std::string(name) + " " + given, &from_);
    value = static_cast<T>(found - names.begin());
  }

 private:
  template <typename T>
  static void take(const json& from, T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      value = from.get<T>();
    } else {
      Get fields(from);
      list(fields, value);
    }
  }
  static void take(const json& from, std::string& text) { text = get_text(from); }
  static void take(const json& from, std::chrono::milliseconds& time) {
    time = std::chrono::milliseconds(from.get<int64_t>());
  }
  template <typename T>
  static void take(const json& from, std::optional<T>& value) {
    value.reset();
    if (!from.is_null()) take(from, value.emplace());
  }
  template <size_t N>
  static void take(const json& from, std::array<uint8_t, N>& bytes) {
    for (size_t i = 0; i < N; ++i) bytes[i] = from.at(i).get<uint8_t>();
  }
  template <typename T>
  static void take(const json& from, std::vector<T>& values) {
    values.clear();
    for (const json& each : from) take(each, values.emplace_back());
  }
  static void take(const json& from, std::map<std::string, std::string>& values) {
    values.clear();
    for (const json& each : from) values[get_text(each.at(0))] = get_text(each.at(1));
  }
  const json& from_;
};

constexpr const char* kSources[] = {"host", "directory", "disk"};
constexpr const char* kWrites[] = {"private", "refused", "kept"};
constexpr const char* kAccess[] = {"read-write", "read-only"};
constexpr const char* kCaches[] = {"none", "auto", "always"};
constexpr const char* kAllowed[] = {"refused", "allowed"};
constexpr const char* kAcls[] = {"ignored", "enforced"};
constexpr const char* kLocks[] = {"guest", "host"};
constexpr const char* kKinds[] = {"file", "directory"};
constexpr const char* kLookups[] = {"any", "one"};
constexpr const char* kFormats[] = {"by-name", "raw", "qcow2", "vmdk"};
constexpr const char* kSyncs[] = {"none", "relaxed", "full"};
constexpr const char* kDiskCaches[] = {"host", "none"};
constexpr const char* kInputs[] = {"none", "carried"};
constexpr const char* kListeners[] = {"host", "guest"};
constexpr const char* kRestarts[] = {"no", "on-failure", "always"};

void list(auto& field, IdRange& range) {
  field("guest", range.guest);
  field("host", range.host);
  field("count", range.count);
}

void list(auto& field, InjectedFile& file) {
  field("path", file.path);
  field("kind", file.kind, kKinds);
  field("contents", file.contents);
  field("mode", file.mode);
  field("lookups", file.lookups, kLookups);
}

void list(auto& field, Share& share) {
  field("host_path", share.host_path);
  field("guest_path", share.guest_path);
  field("tag", share.tag);
  field("access", share.access, kAccess);
  field("cache", share.cache, kCaches);
  field("timeout_ms", share.timeout);
  field("users", share.users);
  field("groups", share.groups);
  field("device_nodes", share.device_nodes, kAllowed);
  field("acls", share.acls, kAcls);
  field("locks", share.locks, kLocks);
  field("quota_bytes", share.quota_bytes);
  field("quota_inodes", share.quota_inodes);
  field("injected", share.injected);
  field("dax_window_mib", share.dax_window_mib);
}

constexpr const char* kNetworks[] = {"passt", "stream", "datagram", "tap"};
constexpr const char* kProtocols[] = {"tcp", "udp"};
constexpr const char* kGreetings[] = {"none", "vfkit"};
constexpr const char* kDhcp[] = {"on", "off"};

void list(auto& field, PublishedPort& port) {
  field("host_port", port.host_port);
  field("guest_port", port.guest_port);
  field("protocol", port.protocol, kProtocols);
  field("address", port.address);
}

void list(auto& field, Network& network) {  // Without its descriptor, which a sandbox cannot have.
  field("kind", network.kind, kNetworks);
  field("path", network.path);
  field("greeting", network.greeting, kGreetings);
  field("mac", network.mac);
  field("features", network.features);
  field("mtu", network.mtu);
  field("ports", network.ports);
  field("dhcp", network.dhcp, kDhcp);
}

void list(auto& field, Disk& disk) {
  field("path", disk.path);
  field("format", disk.format, kFormats);
  field("access", disk.access, kAccess);
  field("sync", disk.sync, kSyncs);
  field("cache", disk.cache, kDiskCaches);
  field("serial", disk.serial);
  field("backing_path", disk.backing_path);
}

void list(auto& field, Root& root) {
  field("source", root.source, kSources);
  field("path", root.path);
  field("writes", root.writes, kWrites);
  field("injected", root.injected);
  field("dax_window_mib", root.dax_window_mib);
  field("disk", root.disk);
  field("file_system", root.file_system);
  field("mount_options", root.mount_options);
}

void list(auto& field, VsockPort& port) {
  field("port", port.port);
  field("socket_path", port.socket_path);
  field("listener", port.listener, kListeners);
}

void list(auto& field, User& user) {
  field("uid", user.uid);
  field("gid", user.gid);
}

void list(auto& field, Limit& limit) {
  field("resource", limit.resource);
  field("soft", limit.soft);
  field("hard", limit.hard);
}

void list(auto& field, TerminalSize& size) {
  field("rows", size.rows);
  field("columns", size.columns);
}

void list(auto& field, Config& config) {
  field("arguments", config.arguments);
  field("root", config.root);
  field("shares", config.shares);
  field("vsock_ports", config.vsock_ports);
  field("networks", config.networks);
  field("disks", config.disks);
  field("cpus", config.cpus);
  field("memory_mib", config.memory_mib);
  field("hostname", config.hostname);
  field("environment", config.environment);
  field("working_directory", config.working_directory);
  field("user", config.user);
  field("limits", config.limits);
  field("input", config.input, kInputs);
  field("terminal", config.terminal);
  field("timeout_ms", config.timeout);
  field("kernel_path", config.kernel_path);
  field("extra_command_line", config.extra_command_line);
  field("smbios_oem_strings", config.smbios_oem_strings);
  field("console_path", config.console_path);
  field("installation", config.installation);
}

void list(auto& field, RestartPolicy& policy) {
  field("when", policy.when, kRestarts);
  field("most", policy.most);
}

void list(auto& field, HealthCheck& check) {
  field("command", check.command);
  field("interval_ms", check.interval);
  field("timeout_ms", check.timeout);
  field("start_period_ms", check.start_period);
  field("retries", check.retries);
}

void list(auto& field, HostLimits& limits) {
  field("cpu_thousandths", limits.cpu_thousandths);
  field("memory_bytes", limits.memory_bytes);
  field("processes", limits.processes);
}

constexpr const char* kSockets[] = {"listen", "connect"};
constexpr const char* kServers[] = {"agent", "command"};

void list(auto& field, KelpiePort& port) {
  field("socket_path", port.socket_path);
  field("socket", port.socket, kSockets);
  field("server", port.server, kServers);
}

void list(auto& field, SandboxConfig& config) {
  field("name", config.name);
  field("labels", config.labels);
  field("stop_grace_ms", config.stop_grace);
  field("idle_timeout_ms", config.idle_timeout);
  field("log_mib", config.log_mib);
  field("log_files", config.log_files);
  field("restart", config.restart);
  field("health", config.health);
  field("limits", config.limits);
  field("kelpie", config.kelpie);
  field("vm", config.vm);
}

void list(auto& field, Record& record) {
  field("id", record.id);
  field("created_ns", record.created_ns);
  field("config", record.config);
}

}  // namespace

std::string encode(const Record& record) {
  Put fields;
  fields("version", Record::kVersion);
  list(fields, const_cast<Record&>(record));
  return fields.to.dump(2) + "\n";
}

Result<Record> decode_record(const std::string& text) try {
  json whole = json::parse(text);
  int version = whole.at("version");
  if (version != Record::kVersion)
    return fail(ErrorCode::kProtocol, "a record of version " + std::to_string(version) + ", of another cloche");
  for (const char* name : {"id", "created_ns", "config"}) static_cast<void>(whole.at(name));
  Record record;
  Get fields(whole);
  list(fields, record);
  return record;
} catch (const std::exception& error) {  // json::exception, or out_of_range where bytes are cut short.
  return fail(ErrorCode::kProtocol, std::string("a damaged record: ") + error.what());
}

}  // namespace cloche::sandbox
