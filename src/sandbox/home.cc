#include "sandbox/home.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/private_files.h"
#include "sandbox/event_log.h"
#include "sandbox/life.h"
#include "sandbox/outer_socket.h"

namespace cloche::sandbox {
namespace {

namespace files = std::filesystem;

constexpr size_t kMostName = 64;
constexpr size_t kIdDigits = 12;
constexpr size_t kMostFile = 64 << 20;  // A record holds injected files as well.

std::string default_path() {
  auto set = [](const char* name) {
    const char* value = ::getenv(name);
    return value != nullptr && *value == '/' ? std::string(value) : std::string();
  };
  if (std::string home = set("CLOCHE_HOME"); !home.empty()) return home;
  if (std::string data = set("XDG_DATA_HOME"); !data.empty()) return data + "/cloche";
  return set("HOME") + "/.local/share/cloche";
}

Result<void> make_directories(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    ::mkdir(path.substr(0, slash).c_str(), 0700);  // What fails here shows below.
  return private_directory(path, S_IWGRP | S_IWOTH);
}

bool is_id(const std::string& name) {
  return name.size() == kIdDigits && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

uint32_t draw() {
  uint32_t number = 0;
  (void)!::getrandom(&number, sizeof number, 0);
  return number;
}

}  // namespace

Result<Home> Home::open(const std::string& path) {
  std::error_code error;
  std::string whole = path.empty() ? default_path() : files::absolute(path, error).lexically_normal().string();
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  TRY(make_directories(whole));
  TRY(private_directory(whole + "/sandboxes"));
  return Home(std::move(whole));
}

Result<Fd> Home::lock() const {
  std::string path = path_ + "/sandboxes/.lock";
  Fd file = TRY(open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  while (::fcntl(file.get(), F_OFD_SETLKW, &lock) < 0)
    if (errno != EINTR) return fail_errno("lock " + path);
  return file;
}

Result<std::vector<std::string>> Home::ids() const {
  std::vector<std::string> found;
  std::error_code error;
  for (files::directory_iterator at(path_ + "/sandboxes", error), end; !error && at != end; at.increment(error))
    if (std::string name = at->path().filename().string(); is_id(name)) found.push_back(std::move(name));
  if (error) return fail_errno("read " + path_ + "/sandboxes", error.value());
  return found;
}

Result<Record> Home::record(const std::string& id) const {
  auto text = read_text_file(directory(id) + "/" + kRecordFile, kMostFile);
  if (!text && text.error().sys_errno == ENOENT)
    return fail(ErrorCode::kNotFound, fmt::format("sandbox {}: there is no such sandbox", id));
  if (!text) return std::unexpected(std::move(text).error());
  auto record = decode_record(*text);
  if (!record) return std::unexpected(std::move(record).error().in(directory(id)));
  return record;
}

// A process that ends writes its last state before it lets go of its life: so a state that is live, without a life
// before and after it was read, is that of a process that was killed.
Result<SandboxInfo> Home::info(const std::string& id) const {
  Record record = TRY(this->record(id));
  bool alive = is_alive(run_directory(id));
  State state;
  auto text = read_text_file(directory(id) + "/" + kStateFile, kMostFile);
  if (text) state = TRY(decode_state(*text));
  if (is_live(state.status) && !alive && !is_alive(run_directory(id))) {
    state.status = Status::kCrashed;
    state.reason = "its VM's process is gone without a word: killed, or the host was restarted";
    tell_crash(record, state);
  }
  return SandboxInfo{.id = id,
                     .name = record.config.name,
                     .status = state.status,
                     .pid = is_live(state.status) ? state.pid : 0,
                     .created_ns = record.created_ns,
                     .started_ns = state.started_ns,
                     .ready_ns = state.ready_ns,
                     .finished_ns = state.finished_ns,
                     .exit_code = state.exit_code,
                     .signal = state.signal,
                     .reason = std::move(state.reason),
                     .console_tail = std::move(state.console_tail),
                     .restarts = state.restarts,
                     .health = is_live(state.status) ? state.health : HealthStatus::kNone,
                     .health_failures = state.health_failures,
                     .health_output = std::move(state.health_output),
                     .config = std::move(record.config)};
}

void Home::tell(const Record& record, const char* kind, std::map<std::string, std::string> details) const {
  static_cast<void>(EventLog(path_).append(
      {.id = record.id, .name = record.config.name, .kind = kind, .details = std::move(details)}));
}

// Once per life: the file that only one of those who look can make says so.
void Home::tell_crash(const Record& record, const State& state) const {
  constexpr std::string_view kMark = "crashed-";
  std::string mark = fmt::format("{}{}", kMark, state.started_ns);
  if (!open_file(directory(record.id) + "/" + mark, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600)) return;
  tell(record, "crashed", {{"reason", state.reason}});
  std::error_code error;
  for (files::directory_iterator at(directory(record.id), error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.starts_with(kMark) && name != mark) ::unlink(at->path().c_str());  // Of earlier lives.
  }
}

// One that was removed or is damaged has no name.
std::string Home::name_of(const std::string& id) const {
  auto text = read_text_file(directory(id) + "/" + kRecordFile, kMostFile);
  return text ? name_in_record(*text) : std::string();
}

Result<std::string> Home::find(const std::string& name) const {
  std::vector<std::string> all = TRY(ids()), beginning;
  if (std::ranges::find(all, name) != all.end()) return name;
  for (const std::string& id : all) {
    if (!name.empty() && name_of(id) == name) return id;
    if (!name.empty() && id.starts_with(name)) beginning.push_back(id);
  }
  if (beginning.size() == 1) return beginning[0];
  if (beginning.empty())
    return fail(ErrorCode::kNotFound, fmt::format("sandbox {}: there is none of this name or id", name));
  return fail(ErrorCode::kInvalidArgument, fmt::format("sandbox {}: {} ids begin so, {} and {} among them", name,
                                                       beginning.size(), beginning[0], beginning[1]));
}

// What was left half done by somebody who was killed. Who adds or removes holds the lock, as we do.
void Home::sweep() const {
  std::error_code error;
  for (files::directory_iterator at(path_ + "/sandboxes", error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    std::error_code ignored;
    if (name.starts_with(".new-") || name.starts_with(".gone-")) files::remove_all(at->path(), ignored);
  }
}

Result<void> Home::check_free(const Record& record) const {
  for (const std::string& id : TRY(ids()))
    if (id != record.id && name_of(id) == record.config.name)
      return fail(ErrorCode::kInvalidArgument, fmt::format("name {}: sandbox {} has it", record.config.name, id));
  return {};
}

Result<void> Home::add(const Record& record) const {
  sweep();
  TRY(check_free(record));
  std::string partial = directory(".new-" + record.id), text = encode(record);
  if (::mkdir(partial.c_str(), 0700) < 0) return fail_errno("create " + partial);
  TRY(write_private_file(partial + "/" + kRecordFile, std::as_bytes(std::span(text))));
  if (::rename(partial.c_str(), directory(record.id).c_str()) < 0) return fail_errno("create " + directory(record.id));
  return {};
}

Result<void> Home::rewrite(const Record& record) const {
  TRY(check_free(record));
  std::string text = encode(record);
  return write_private_file(directory(record.id) + "/" + kRecordFile, std::as_bytes(std::span(text)));
}

Result<void> Home::remove(const std::string& id) const {
  remove_outer_socket(directory(id));  // A process that was killed may have left it.
  std::error_code error;
  files::path run = files::read_symlink(run_directory(id), error);
  std::string gone = directory(".gone-" + id);
  if (::rename(directory(id).c_str(), gone.c_str()) < 0) {
    if (errno == ENOENT) return fail(ErrorCode::kNotFound, fmt::format("sandbox {}: there is no such sandbox", id));
    return fail_errno("remove " + directory(id));
  }
  files::remove_all(gone, error);  // What is left of it, the next sweep() takes.
  if (run.filename() == id) files::remove_all(run, error);
  return {};
}

Result<std::string> Home::make_run_directory(const std::string& id) const {
  std::string base = TRY(runtime_directory()) + "/sandboxes", path = base + "/" + id;
  TRY(private_directory(base));
  TRY(private_directory(path));
  std::string link = run_directory(id), partial = fmt::format("{}.{}", link, ::getpid());
  ::unlink(partial.c_str());
  if (::symlink(path.c_str(), partial.c_str()) < 0 || ::rename(partial.c_str(), link.c_str()) < 0)
    return fail_errno("link " + link);
  return path;
}

std::string make_id() { return fmt::format("{:08x}{:04x}", draw(), draw() & 0xffff); }

std::string make_name() {
  static constexpr std::array<std::string_view, 32> kFirst{
      "amber", "brave", "brisk", "calm",   "clear", "clever", "cosy",   "crisp", "eager",  "early", "fair",
      "fleet", "fresh", "glad",  "golden", "happy", "keen",   "kind",   "light", "lively", "merry", "mild",
      "neat",  "noble", "plain", "quick",  "quiet", "sharp",  "silver", "still", "swift",  "warm"};
  static constexpr std::array<std::string_view, 32> kSecond{
      "aspen", "badger", "beech", "birch",  "brook", "cedar", "crane",  "dove",   "elm",    "falcon", "fern",
      "finch", "fox",    "hare",  "hazel",  "heron", "ibis",  "lark",   "linden", "lynx",   "maple",  "marten",
      "oak",   "otter",  "pine",  "plover", "raven", "robin", "sorrel", "tern",   "willow", "wren"};
  uint32_t number = draw();
  return fmt::format("{}-{}-{:03x}", kFirst[number % 32], kSecond[number / 32 % 32], number >> 20);
}

Result<void> check_name(const std::string& name) {
  auto good = [](char each) {
    return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') ||
           each == '-' || each == '_' || each == '.';
  };
  if (!name.empty() && name.size() <= kMostName && std::ranges::all_of(name, good) && name[0] != '-' && name[0] != '.')
    return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("name '{}': must be letters, digits, '.', '_' and '-', {} at most, and not begin with '-' or "
                          "'.'",
                          name, kMostName));
}

}  // namespace cloche::sandbox
