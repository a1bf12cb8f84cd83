#include "carrier/protocol.h"

#include <utility>

namespace cloche::carrier {
namespace {

using wire::Reader;
using wire::Writer;

void put(Writer& to, const WindowSize& window) {
  to.put(window.rows);
  to.put(window.columns);
  to.put(window.width);
  to.put(window.height);
}

void get(Reader& from, WindowSize& window) {
  from.get(window.rows);
  from.get(window.columns);
  from.get(window.width);
  from.get(window.height);
}

void put(Writer& to, const TerminalSettings& terminal) {
  for (uint32_t word :
       {terminal.input, terminal.output, terminal.control, terminal.local, terminal.input_speed, terminal.output_speed})
    to.put(word);
  to.put(std::string_view(terminal.characters));
}

void get(Reader& from, TerminalSettings& terminal) {
  for (uint32_t* word : {&terminal.input, &terminal.output, &terminal.control, &terminal.local, &terminal.input_speed,
                         &terminal.output_speed})
    from.get(*word);
  from.get(terminal.characters);
}

}  // namespace

std::vector<std::byte> encode(const Header& header) {
  Writer to;
  to.put(header.payload_size);
  to.put(header.type);
  to.put(header.stream);
  to.put(header.reserved);
  return std::move(to.bytes());
}

bool decode(std::span<const std::byte> bytes, Header& header) {
  Reader from(bytes);
  uint8_t type = 0, stream = 0;
  from.get(header.payload_size);
  from.get(type);
  from.get(stream);
  from.get(header.reserved);
  if (!from.done() || type < 1 || type > static_cast<uint8_t>(MessageType::kPong) || stream >= kStreams) return false;
  header.type = static_cast<MessageType>(type);
  header.stream = static_cast<Stream>(stream);
  return header.reserved == 0 && header.payload_size <= kMaxPayload;
}

std::vector<std::byte> encode(const Token& token) {
  Writer to;
  to.put(token.version);
  to.put(std::string_view(token.secret));
  return std::move(to.bytes());
}

bool decode(std::span<const std::byte> payload, Token& token) {
  Reader from(payload);
  from.get(token.version);
  from.get(token.secret);
  return from.done() && token.secret.size() == kTokenBytes;
}

std::vector<std::byte> encode(const Request& request) {
  Writer to;
  to.put(std::string_view(request.program));
  to.put(request.arguments);
  to.put(request.environment);
  to.put(std::string_view(request.working_directory));
  to.put(request.uid);
  to.put(request.gid);
  to.put(static_cast<uint32_t>(request.groups.size()));
  for (uint32_t group : request.groups) to.put(group);
  to.put(request.umask);
  to.put(static_cast<uint32_t>(request.limits.size()));
  for (const Limit& limit : request.limits) {
    to.put(limit.resource);
    to.put(limit.soft);
    to.put(limit.hard);
  }
  to.put(request.ignored_signals);
  for (StreamKind kind : request.streams) to.put(kind);
  put(to, request.window);
  put(to, request.terminal);
  to.put(request.realtime_ns);
  to.put(request.system_stamp);
  return std::move(to.bytes());
}

bool decode(std::span<const std::byte> payload, Request& request) {
  Reader from(payload);
  from.get(request.program);
  from.get(request.arguments);
  from.get(request.environment);
  from.get(request.working_directory);
  from.get(request.uid);
  from.get(request.gid);
  request.groups.resize(from.count(sizeof(uint32_t)));
  for (uint32_t& group : request.groups) from.get(group);
  from.get(request.umask);
  request.limits.resize(from.count(20));
  for (Limit& limit : request.limits) {
    from.get(limit.resource);
    from.get(limit.soft);
    from.get(limit.hard);
  }
  from.get(request.ignored_signals);
  bool known = true;
  for (StreamKind& kind : request.streams) {
    uint8_t raw = 0;
    from.get(raw);
    known = known && raw <= static_cast<uint8_t>(StreamKind::kAsStdout);
    kind = static_cast<StreamKind>(raw);
  }
  get(from, request.window);
  get(from, request.terminal);
  from.get(request.realtime_ns);
  from.get(request.system_stamp);
  bool only_stderr = request.streams[0] != StreamKind::kAsStdout && request.streams[1] != StreamKind::kAsStdout;
  return from.done() && known && only_stderr && !request.arguments.empty();
}

std::vector<std::byte> encode(const WindowSize& window) {
  Writer to;
  put(to, window);
  return std::move(to.bytes());
}

bool decode(std::span<const std::byte> payload, WindowSize& window) {
  Reader from(payload);
  get(from, window);
  return from.done();
}

std::vector<std::byte> encode(const Exited& exited) {
  Writer to;
  to.put(exited.kind);
  to.put(exited.value);
  to.put(std::string_view(exited.what));
  return std::move(to.bytes());
}

bool decode(std::span<const std::byte> payload, Exited& exited) {
  Reader from(payload);
  uint8_t kind = 0;
  from.get(kind);
  from.get(exited.value);
  from.get(exited.what);
  exited.kind = static_cast<ExitKind>(kind);
  return from.done() && kind <= static_cast<uint8_t>(ExitKind::kFailed);
}

std::vector<std::byte> encode(const AgentStatus& status) {
  Writer to;
  to.put(status.commands);
  to.put(status.uptime_s);
  to.put(status.idle_stop_s);
  return std::move(to.bytes());
}

bool decode(std::span<const std::byte> payload, AgentStatus& status) {
  Reader from(payload);
  from.get(status.commands);
  from.get(status.uptime_s);
  from.get(status.idle_stop_s);
  return from.done();
}

std::vector<std::byte> encode_number(uint32_t number) {
  Writer to;
  to.put(number);
  return std::move(to.bytes());
}

bool decode_number(std::span<const std::byte> payload, uint32_t& number) {
  Reader from(payload);
  from.get(number);
  return from.done();
}

bool equal_secrets(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;  // The length is no secret.
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < left.size(); ++i) difference = static_cast<unsigned char>(difference | (left[i] ^ right[i]));
  return difference == 0;
}

}  // namespace cloche::carrier
