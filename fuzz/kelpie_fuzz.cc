// Kelpie's protocol as the agent reads and writes it: any bytes as a request, as base64, and as what a program has
// written. A request that is accepted keeps its promises; what goes out is JSON within its limits.
#include <nlohmann/json.hpp>

#include "guest/agent/base64.h"
#include "guest/agent/kelpie_reply.h"
#include "guest/agent/kelpie_request.h"
#include "input.h"

namespace cloche::agent {
namespace {

using nlohmann::json;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check_request(std::string_view text) {
  auto request = parse_kelpie_request(text);
  // The library reads the whole of what we have read, and nothing that we call an error is without its reason.
  if (!request) return require(!request.error().empty());
  json whole = json::parse(text);
  require(whole.is_object() && whole["type"].is_string());
  require(!request->path.contains('\0') && !request->command.contains('\0'));
  require(request->arguments.size() <= kMostKelpieWords && request->environment.size() <= kMostKelpieWords);
  for (const std::string& variable : request->environment) require(variable.find('=') - 1 < variable.size());
  if (request->act == KelpieAct::kExec) require(whole["command"] == request->command);
  if (request->act == KelpieAct::kWriteFile) {
    std::string contents;
    append_base64(contents, request->contents);
    require(whole["contents"] == contents);
  }
}

void check_base64(std::string_view text) {
  std::string again;
  if (auto bytes = decode_base64(text)) {
    append_base64(again, *bytes);
    require(again == text);
  }
  again.clear();
  append_base64(again, text);
  require(again.size() == base64_size(text.size()) && decode_base64(again) == text);
}

void check_reply(FuzzInput& input, std::string_view bytes) {
  std::string to;
  size_t most = input.pick(64), taken = append_json_text(to, bytes, most);
  require(taken <= bytes.size() && to.size() <= most);
  require(json::parse("\"" + to + "\"").is_string());
  KelpieOutcome outcome;
  outcome.ended.kind = input.pick(2) == 0 ? wire::ExitKind::kExited : wire::ExitKind::kSignaled;
  outcome.output = outcome.error = bytes;
  json reply = json::parse(kelpie_outcome(outcome));
  require(reply["stdout"] == reply["stderr"]);
  require(json::parse(json(outcome.output).dump(-1, ' ', false, json::error_handler_t::replace)) == reply["stdout"]);
  require(json::parse(kelpie_error(bytes))["type"] == "error");
  require(json::parse(kelpie_listing({outcome.output, outcome.error}))["files"].size() == 2);
}

}  // namespace
}  // namespace cloche::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  cloche::agent::check_request(bytes);
  cloche::agent::check_base64(bytes);
  cloche::FuzzInput input(data, size);
  cloche::agent::check_reply(input, bytes);
  return 0;
}
