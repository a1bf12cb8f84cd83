#include "wire/guest.h"

namespace cloche::wire {
namespace {

std::vector<std::byte> frame(FrameType type, Writer payload) {
  Writer whole;
  whole.put(static_cast<uint32_t>(payload.bytes().size()));
  whole.put(type);
  whole.put(uint16_t{0});
  auto& bytes = whole.bytes();
  bytes.insert(bytes.end(), payload.bytes().begin(), payload.bytes().end());
  return std::move(bytes);
}

void put_bool(Writer& to, bool value) { to.put(static_cast<uint8_t>(value)); }
void get_bool(Reader& from, bool& value) {
  uint8_t raw = 0;
  from.get(raw);
  value = raw != 0;
}

}  // namespace

std::vector<std::byte> encode(const Hello& hello) {
  Writer to;
  to.put(hello.version);
  to.put(hello.boot_ns);
  return frame(FrameType::kHello, std::move(to));
}

bool decode(std::span<const std::byte> payload, Hello& hello) {
  Reader from(payload);
  from.get(hello.version);
  from.get(hello.boot_ns);
  return from.done();
}

std::vector<std::byte> encode(const Start& start) {
  Writer to;
  to.put(std::string_view(start.root_tag));
  to.put(start.root_writes);
  for (const std::string* text : {&start.root_device.path, &start.root_device.type, &start.root_device.options})
    to.put(std::string_view(*text));
  put_bool(to, start.has_disks);
  to.put(static_cast<uint32_t>(start.mounts.size()));
  for (const Mount& mount : start.mounts) {
    to.put(std::string_view(mount.tag));
    to.put(std::string_view(mount.path));
    put_bool(to, mount.read_only);
    put_bool(to, mount.is_file);
  }
  to.put(std::string_view(start.hostname));
  to.put(start.arguments);
  put_bool(to, start.is_agent);
  to.put(start.environment);
  to.put(std::string_view(start.working_directory));
  to.put(start.uid);
  to.put(start.gid);
  to.put(static_cast<uint32_t>(start.limits.size()));
  for (const ResourceLimit& limit : start.limits) {
    to.put(limit.resource);
    to.put(limit.soft);
    to.put(limit.hard);
  }
  to.put(static_cast<uint32_t>(start.interfaces.size()));
  for (const Interface& each : start.interfaces) put_bool(to, each.has_dhcp);
  put_bool(to, start.impersonation.is_on);
  to.put(std::string_view(start.impersonation.resolv_conf));
  to.put(start.streams);
  put_bool(to, start.has_stdin);
  to.put(start.rows);
  to.put(start.columns);
  to.put(start.realtime_ns);
  return frame(FrameType::kStart, std::move(to));
}

bool decode(std::span<const std::byte> payload, Start& start) {
  Reader from(payload);
  from.get(start.root_tag);
  from.get(start.root_writes);
  for (std::string* text : {&start.root_device.path, &start.root_device.type, &start.root_device.options})
    from.get(*text);
  get_bool(from, start.has_disks);
  start.mounts.resize(from.count(10));
  for (Mount& mount : start.mounts) {
    from.get(mount.tag);
    from.get(mount.path);
    get_bool(from, mount.read_only);
    get_bool(from, mount.is_file);
  }
  from.get(start.hostname);
  from.get(start.arguments);
  get_bool(from, start.is_agent);
  from.get(start.environment);
  from.get(start.working_directory);
  from.get(start.uid);
  from.get(start.gid);
  start.limits.resize(from.count(20));
  for (ResourceLimit& limit : start.limits) {
    from.get(limit.resource);
    from.get(limit.soft);
    from.get(limit.hard);
  }
  start.interfaces.resize(from.count(1));
  for (Interface& each : start.interfaces) get_bool(from, each.has_dhcp);
  get_bool(from, start.impersonation.is_on);
  from.get(start.impersonation.resolv_conf);
  from.get(start.streams);
  get_bool(from, start.has_stdin);
  from.get(start.rows);
  from.get(start.columns);
  from.get(start.realtime_ns);
  return from.done() && start.streams <= Streams::kTerminal && start.root_writes <= RootWrites::kKept;
}

std::vector<std::byte> encode(const Exited& exited) {
  Writer to;
  to.put(exited.kind);
  to.put(exited.value);
  to.put(std::string_view(exited.what));
  to.put(std::string_view(exited.unsaved));
  for (uint64_t time :
       {exited.began_ns, exited.started_ns, exited.mounted_ns, exited.executed_ns, exited.ended_ns, exited.drained_ns})
    to.put(time);
  return frame(FrameType::kExited, std::move(to));
}

bool decode(std::span<const std::byte> payload, Exited& exited) {
  Reader from(payload);
  from.get(exited.kind);
  from.get(exited.value);
  from.get(exited.what);
  from.get(exited.unsaved);
  for (uint64_t* time : {&exited.began_ns, &exited.started_ns, &exited.mounted_ns, &exited.executed_ns,
                         &exited.ended_ns, &exited.drained_ns})
    from.get(*time);
  return from.done() && exited.kind <= ExitKind::kFailed;
}

std::vector<std::byte> encode_signal(uint32_t number) {
  Writer to;
  to.put(number);
  return frame(FrameType::kSignal, std::move(to));
}

bool decode_signal(std::span<const std::byte> payload, uint32_t& number) {
  Reader from(payload);
  from.get(number);
  return from.done();
}

std::vector<std::byte> encode_resize(uint16_t rows, uint16_t columns) {
  Writer to;
  to.put(rows);
  to.put(columns);
  return frame(FrameType::kResize, std::move(to));
}

bool decode_resize(std::span<const std::byte> payload, uint16_t& rows, uint16_t& columns) {
  Reader from(payload);
  from.get(rows);
  from.get(columns);
  return from.done();
}

bool decode_header(std::span<const std::byte> bytes, FrameHeader& header) {
  Reader from(bytes);
  from.get(header.payload_size);
  from.get(header.type);
  from.get(header.reserved);
  return from.ok() && header.payload_size <= kMaxFrameBytes && header.reserved == 0;
}

}  // namespace cloche::wire
