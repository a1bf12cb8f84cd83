// What kelpie's guest answers: JSON of at most kMostKelpieReply bytes, whatever programs and files have in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/agent.h"

namespace cloche::agent {

// What a command came to. Of each stream the first part, and whether there was more.
struct KelpieOutcome {
  wire::ExecEnded ended;
  std::string output, error;
  bool output_cut = false, error_cut = false;
};

// Their lengths, with which kelpie's host can check us: 15 and 18.
inline constexpr std::string_view kKelpiePong = R"({"type":"pong"})";
inline constexpr std::string_view kKelpieSuccess = R"({"type":"success"})";

std::string kelpie_error(std::string_view message);
// One that is too large for a reply is an error reply.
std::string kelpie_contents(std::string_view bytes);
std::string kelpie_listing(const std::vector<std::string>& names);
// Streams that are too large together are cut, the longer one first. What was cut is said in fields of its own, and, as
// kelpie's host passes over fields that it does not know, in a last line of stderr.
std::string kelpie_outcome(const KelpieOutcome& outcome);

// `bytes` in a JSON string, without its quotes, in at most `most` bytes; how many of `bytes` found room. What is not
// UTF-8 becomes U+FFFD, as Rust's from_utf8_lossy() does it: one for each longest beginning of a character.
size_t append_json_text(std::string& to, std::string_view bytes, size_t most);

}  // namespace cloche::agent
