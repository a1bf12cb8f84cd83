#include "guest/agent/kelpie_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "guest/agent/base64.h"

namespace cloche::agent {
namespace {

using nlohmann::json;

constexpr size_t kMostComplaint = 200;  // The JSON library's say holds what it has read last, which can be megabytes.

enum Field : uint8_t { kType, kCommand, kArgs, kStdin, kCwd, kEnv, kTimeout, kPath, kContents, kUnknown };
constexpr std::array<const char*, kUnknown> kFields{"type", "command",    "args", "stdin",   "cwd",
                                                    "env",  "timeout_ms", "path", "contents"};
constexpr std::array<const char*, 6> kActs{"ping", "exec", "read_file", "write_file", "list_dir", "shutdown"};

Field field_named(std::string_view name) {
  auto found = std::ranges::find(kFields, name);
  return static_cast<Field>(found - kFields.begin());
}

// Takes the values of the fields that we know as they come, whatever their order, and nothing of the others: what a
// request costs us is no more than its own size.
class Reader final : public json::json_sax_t {
 public:
  enum class Found : uint8_t { kNothing, kNull, kValue, kWrongType, kTwice };

  Found found(Field field) const { return found_[field]; }
  const std::string& complaint() const { return complaint_; }
  std::array<std::string, kUnknown> texts;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
  uint64_t number = 0;

  bool null() override {
    if (depth_ == 1 && takes()) set(Found::kNull);
    return inside_is_wrong() && begun();
  }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 1 || field_ != kTimeout) return other();
    number = value;
    set(Found::kValue);
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ == 1 && takes()) return take_text(value);
    if (depth_ == 2 && field_ == kArgs) {
      arguments.push_back(std::move(value));
      return arguments.size() <= kMostKelpieWords || complain("more than 65536 arguments");
    }
    if (depth_ == 3 && field_ == kEnv) return take_variable(value);
    return inside_is_wrong() && begun();
  }
  bool start_object(size_t) override {
    if (depth_ > 0 && !other()) return false;
    return deeper();
  }
  bool key(string_t& name) override {
    if (depth_ == 1) field_ = field_named(name);
    return true;
  }
  bool end_object() override { return shallower(); }
  bool start_array(size_t) override {
    if (depth_ == 0) return begun();
    bool list = depth_ == 1 && (field_ == kArgs || field_ == kEnv);
    bool pair = depth_ == 2 && field_ == kEnv;
    if (list) set(Found::kValue);
    if (pair) {
      environment.emplace_back();
      words_ = 0;
      if (environment.size() > kMostKelpieWords) return complain("more than 65536 variables");
    }
    if (!list && !pair && !other()) return false;
    return deeper();
  }
  bool end_array() override {
    if (depth_ == 3 && field_ == kEnv && words_ != 2) set(Found::kWrongType);
    return shallower();
  }
  bool parse_error(size_t, const std::string&, const json::exception& error) override {
    return complain(std::string_view(error.what()).substr(0, kMostComplaint));
  }

 private:
  bool takes() const { return field_ != kUnknown; }
  // A second value counts for as little as the first.
  void set(Found found) {
    Found& place = found_[field_];
    if (found == Found::kWrongType)
      place = Found::kWrongType;
    else
      place = place == Found::kNothing ? found : Found::kTwice;
  }
  bool begun() { return depth_ > 0 || complain("a request is a JSON object"); }
  bool inside_is_wrong() {
    if (depth_ > 1 && (field_ == kArgs || field_ == kEnv)) set(Found::kWrongType);
    return true;
  }
  // A value of a type that none of our fields has there.
  bool other() {
    if (depth_ == 1 && takes()) set(Found::kWrongType);
    return inside_is_wrong() && begun();
  }
  bool take_text(std::string& value) {
    if (field_ == kArgs || field_ == kEnv || field_ == kTimeout) return other();
    texts[field_] = std::move(value);
    set(Found::kValue);
    return true;
  }
  bool take_variable(std::string& value) {
    if (environment.empty()) return inside_is_wrong();  // It is in an object instead of a pair.
    ++words_;
    if (words_ == 1) environment.back().first = std::move(value);
    if (words_ == 2) environment.back().second = std::move(value);
    return true;
  }
  bool deeper() { return ++depth_ <= kMostKelpieDepth || complain("objects and arrays in each other, over 128 deep"); }
  // The field ends with the object or array that is its value.
  bool shallower() {
    if (--depth_ == 1) field_ = kUnknown;
    return true;
  }
  bool complain(std::string_view what) {
    complaint_ = what;
    return false;
  }

  unsigned depth_ = 0;
  Field field_ = kUnknown;
  unsigned words_ = 0;
  std::array<Found, kUnknown> found_{};
  std::string complaint_;
};

using Found = Reader::Found;
using Checked = std::expected<void, std::string>;

std::unexpected<std::string> wrong(Field field, std::string_view what) {
  return std::unexpected(fmt::format("{} `{}`", what, kFields[field]));
}

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

// Whether there is a value; an error where there is none and must be, or a wrong one.
std::expected<bool, std::string> look_at(const Reader& reader, Field field, bool required) {
  switch (reader.found(field)) {
    case Found::kValue:
      return true;
    case Found::kTwice:
      return wrong(field, "more than one field");
    case Found::kWrongType:
      return wrong(field, "a value of the wrong type in field");
    case Found::kNull:
      if (required) return wrong(field, "null in field");
      return false;
    case Found::kNothing:
      break;
  }
  if (required) return wrong(field, "no field");
  return false;
}

Checked take_name(Reader& reader, Field field, std::string& to) {
  if (auto there = look_at(reader, field, true); !there) return std::unexpected(there.error());
  to = std::move(reader.texts[field]);
  if (to.empty()) return wrong(field, "nothing in field");
  if (has_nul(to)) return wrong(field, "a NUL in field");
  return {};
}

Checked take_words(Reader& reader, KelpieRequest& request) {
  for (Field field : {kArgs, kEnv})
    if (auto there = look_at(reader, field, false); !there) return std::unexpected(there.error());
  for (const std::string& word : reader.arguments)
    if (has_nul(word)) return wrong(kArgs, "a NUL in field");
  request.arguments = std::move(reader.arguments);
  for (auto& [name, value] : reader.environment) {
    if (has_nul(name) || has_nul(value)) return wrong(kEnv, "a NUL in field");
    if (name.empty() || name.contains('=')) return wrong(kEnv, "a name that no variable has in field");
    request.environment.push_back(name + "=" + value);
  }
  return {};
}

Checked take_exec(Reader& reader, KelpieRequest& request) {
  if (auto taken = take_name(reader, kCommand, request.command); !taken) return taken;
  if (auto taken = take_words(reader, request); !taken) return taken;
  auto input = look_at(reader, kStdin, false), directory = look_at(reader, kCwd, false),
       timeout = look_at(reader, kTimeout, false);
  for (auto* each : {&input, &directory, &timeout})
    if (!*each) return std::unexpected(each->error());
  if (*input) request.input = std::move(reader.texts[kStdin]);
  if (*timeout) request.timeout_ms = reader.number;
  if (!*directory) return {};
  request.working_directory = std::move(reader.texts[kCwd]);
  if (!request.working_directory->starts_with('/')) return wrong(kCwd, "a path that does not begin with / in field");
  if (has_nul(*request.working_directory)) return wrong(kCwd, "a NUL in field");
  return {};
}

Checked take_contents(Reader& reader, KelpieRequest& request) {
  if (auto there = look_at(reader, kContents, true); !there) return std::unexpected(there.error());
  auto contents = decode_base64(reader.texts[kContents]);
  if (!contents) return wrong(kContents, "something else than base64 in field");
  request.contents = std::move(*contents);
  return {};
}

Checked take_fields(Reader& reader, KelpieRequest& request) {
  switch (request.act) {
    case KelpieAct::kPing:
    case KelpieAct::kShutDown:
      return {};
    case KelpieAct::kExec:
      return take_exec(reader, request);
    case KelpieAct::kWriteFile:
      if (auto taken = take_contents(reader, request); !taken) return taken;
      [[fallthrough]];
    case KelpieAct::kReadFile:
    case KelpieAct::kListDirectory:
      return take_name(reader, kPath, request.path);
  }
  return {};
}

}  // namespace

std::expected<KelpieRequest, std::string> parse_kelpie_request(std::string_view text) try {
  Reader reader;
  if (!json::sax_parse(text, &reader)) return std::unexpected("malformed request: " + reader.complaint());
  if (auto there = look_at(reader, kType, true); !there) return std::unexpected(there.error());
  const std::string& type = reader.texts[kType];
  auto act = std::ranges::find(kActs, type);
  if (act == kActs.end())
    return std::unexpected(fmt::format("unknown request type `{}`", std::string_view(type).substr(0, kMostComplaint)));
  KelpieRequest request;
  request.act = static_cast<KelpieAct>(act - kActs.begin());
  if (auto taken = take_fields(reader, request); !taken) return std::unexpected(taken.error());
  return request;
} catch (const std::exception& error) {  // bad_alloc: the guest has little memory.
  return std::unexpected(std::string("read the request: ") + error.what());
}

}  // namespace cloche::agent
