#include "wire/agent.h"

namespace cloche::wire {
namespace {

// The bytes that an element takes at least: what a list's count is held against before room is made for it.
template <typename Item>
constexpr size_t kLeastBytes = 0;
template <>
constexpr size_t kLeastBytes<ResourceLimit> = 20;
template <>
constexpr size_t kLeastBytes<FileStatus> = 52;
template <>
constexpr size_t kLeastBytes<ProcessStatistics> = 61;

// Each message's fields stand in one list, which Put writes and Get reads: the two directions cannot differ.
void list(auto& put, auto& message);

class Put {
 public:
  explicit Put(Writer& to) : to_(to) {}
  template <typename... Fields>
  void all(const Fields&... fields) {
    (one(fields), ...);
  }

 private:
  template <typename T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void one(T value) {
    to_.put(value);
  }
  void one(bool value) { to_.put(static_cast<uint8_t>(value)); }
  void one(const std::string& text) { to_.put(std::string_view(text)); }
  void one(const std::vector<std::string>& texts) { to_.put(texts); }
  template <typename Item>
  void one(const std::vector<Item>& items) {
    to_.put(static_cast<uint32_t>(items.size()));
    for (const Item& item : items) list(*this, item);
  }
  Writer& to_;
};

class Get {
 public:
  explicit Get(Reader& from) : from_(from) {}
  template <typename... Fields>
  void all(Fields&... fields) {
    (one(fields), ...);
  }

 private:
  template <typename T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void one(T& value) {
    from_.get(value);
  }
  void one(bool& value) {
    uint8_t raw = 0;
    from_.get(raw);
    value = raw != 0;
  }
  void one(std::string& text) { from_.get(text); }
  void one(std::vector<std::string>& texts) { from_.get(texts); }
  template <typename Item>
  void one(std::vector<Item>& items) {
    static_assert(kLeastBytes<Item> > 0);
    items.resize(from_.count(kLeastBytes<Item>));
    for (Item& item : items) list(*this, item);
  }
  Reader& from_;
};

template <typename Message, typename Wanted>
concept Is = std::same_as<std::remove_const_t<Message>, Wanted>;

void fields(auto& to, Is<ResourceLimit> auto& m) { to.all(m.resource, m.soft, m.hard); }
void fields(auto& to, Is<Welcome> auto& m) { to.all(m.version, m.uptime_ns); }
void fields(auto& to, Is<Exec> auto& m) {
  to.all(m.arguments, m.environment, m.working_directory, m.uid, m.gid, m.limits, m.streams, m.has_input, m.rows,
         m.columns, m.timeout_ms, m.grace_ms);
}
void fields(auto& to, Is<ExecEnded> auto& m) { to.all(m.kind, m.value, m.what, m.timed_out); }
void fields(auto& to, Is<AgentError> auto& m) { to.all(m.sys_errno, m.what); }
void fields(auto& to, Is<FileRange> auto& m) { to.all(m.path, m.offset, m.size); }
void fields(auto& to, Is<WriteFile> auto& m) { to.all(m.path, m.write, m.mode, m.uid, m.gid); }
void fields(auto& to, Is<FileStatus> auto& m) {
  to.all(m.name, m.mode, m.uid, m.gid, m.size, m.links, m.inode, m.modified_ns, m.target);
}
void fields(auto& to, Is<FileList> auto& m) { to.all(m.entries); }
void fields(auto& to, Is<MakeDirectory> auto& m) { to.all(m.path, m.mode, m.parents); }
void fields(auto& to, Is<Move> auto& m) { to.all(m.from, m.to); }
void fields(auto& to, Is<Remove> auto& m) { to.all(m.path, m.recursive); }
void fields(auto& to, Is<Pack> auto& m) { to.all(m.path, m.one_file_system); }
void fields(auto& to, Is<Unpack> auto& m) { to.all(m.directory, m.name, m.keep_owners, m.uid, m.gid); }
void fields(auto& to, Is<ProcessStatistics> auto& m) {
  to.all(m.pid, m.parent, m.uid, m.threads, m.state, m.user_ns, m.system_ns, m.memory_bytes, m.read_bytes,
         m.written_bytes, m.command);
}
void fields(auto& to, Is<Statistics> auto& m) {
  to.all(m.uptime_ns, m.user_ns, m.system_ns, m.idle_ns, m.memory_bytes, m.available_bytes, m.read_bytes,
         m.written_bytes, m.processes);
}
void fields(auto& to, Is<Mount> auto& m) { to.all(m.tag, m.path, m.read_only, m.is_file); }

void list(auto& put, auto& message) { fields(put, message); }

// What a number alone cannot say of a message.
bool valid(const Exec& exec) { return exec.streams <= Streams::kTerminal && !exec.arguments.empty(); }
bool valid(const ExecEnded& ended) { return ended.kind <= ExitKind::kFailed; }
bool valid(const WriteFile& file) { return file.write <= WriteMode::kCreate; }
bool valid(const auto&) { return true; }

std::vector<std::byte> frame(AgentFrame type, std::span<const std::byte> payload) {
  Writer whole;
  whole.put(static_cast<uint32_t>(payload.size()));
  whole.put(type);
  whole.put(uint16_t{0});
  auto& bytes = whole.bytes();
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return std::move(bytes);
}

}  // namespace

template <typename Message>
std::vector<std::byte> encode(AgentFrame type, const Message& message) {
  Writer to;
  Put put(to);
  fields(put, message);
  return frame(type, to.bytes());
}

template <typename Message>
bool decode_message(std::span<const std::byte> payload, Message& message) {
  Reader from(payload);
  Get get(from);
  fields(get, message);
  return from.done() && valid(message);
}

#define CLOCHE_AGENT_MESSAGE(Message)                                          \
  template std::vector<std::byte> encode<Message>(AgentFrame, const Message&); \
  template bool decode_message<Message>(std::span<const std::byte>, Message&);
CLOCHE_AGENT_MESSAGE(Welcome)
CLOCHE_AGENT_MESSAGE(Exec)
CLOCHE_AGENT_MESSAGE(ExecEnded)
CLOCHE_AGENT_MESSAGE(AgentError)
CLOCHE_AGENT_MESSAGE(FileRange)
CLOCHE_AGENT_MESSAGE(WriteFile)
CLOCHE_AGENT_MESSAGE(FileStatus)
CLOCHE_AGENT_MESSAGE(FileList)
CLOCHE_AGENT_MESSAGE(MakeDirectory)
CLOCHE_AGENT_MESSAGE(Move)
CLOCHE_AGENT_MESSAGE(Remove)
CLOCHE_AGENT_MESSAGE(Pack)
CLOCHE_AGENT_MESSAGE(Unpack)
CLOCHE_AGENT_MESSAGE(Statistics)
CLOCHE_AGENT_MESSAGE(Mount)
#undef CLOCHE_AGENT_MESSAGE

std::vector<std::byte> encode_bytes(AgentFrame type, std::span<const std::byte> bytes) { return frame(type, bytes); }

std::vector<std::byte> encode_text(AgentFrame type, std::string_view text) {
  return frame(type, std::as_bytes(std::span(text)));
}

std::vector<std::byte> encode_number(AgentFrame type, uint64_t number) {
  Writer to;
  if (type == AgentFrame::kSetClock)
    to.put(number);
  else
    to.put(static_cast<uint32_t>(number));
  return frame(type, to.bytes());
}

std::vector<std::byte> encode_size(uint16_t rows, uint16_t columns) {
  Writer to;
  to.put(rows);
  to.put(columns);
  return frame(AgentFrame::kResize, to.bytes());
}

bool decode_number(std::span<const std::byte> payload, uint32_t& number) {
  Reader from(payload);
  from.get(number);
  return from.done();
}

bool decode_number(std::span<const std::byte> payload, uint64_t& number) {
  Reader from(payload);
  from.get(number);
  return from.done();
}

}  // namespace cloche::wire
