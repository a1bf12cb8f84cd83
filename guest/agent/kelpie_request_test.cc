#include "guest/agent/kelpie_request.h"

#include <gmock/gmock.h>

#include <random>

#include "guest/agent/base64.h"

namespace cloche::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

KelpieRequest parsed(std::string_view text) {
  auto request = parse_kelpie_request(text);
  EXPECT_TRUE(request) << text << ": " << request.error();
  return request.value_or(KelpieRequest{});
}

std::string complaint(std::string_view text) {
  auto request = parse_kelpie_request(text);
  EXPECT_FALSE(request) << text;
  return request ? "" : request.error();
}

std::string encoded(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

TEST(Base64, ExamplesOfTheRfc) {
  const std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kExamples) {
    EXPECT_EQ(encoded(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  EXPECT_EQ(encoded(std::string("\0\1\2\3\xff", 5)), "AAECA/8=");
  EXPECT_EQ(decode_base64("AAECA/8="), std::string("\0\1\2\3\xff", 5));
}

TEST(Base64, EveryLengthComesBack) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 300; ++size) {
    std::string bytes(size, '\0');
    for (char& each : bytes) each = static_cast<char>(random());
    EXPECT_EQ(encoded(bytes).size(), base64_size(size));
    EXPECT_EQ(decode_base64(encoded(bytes)), bytes);
  }
}

TEST(Base64, WhatNoEncoderMakesIsRefused) {
  for (const char* bad : {"A", "AA", "AAA", "AA=", "A===", "====", "=AAA", "A=AA", "AA=A", "AA==AAAA", "AAAA\n", "AA-_",
                          "AB==", "AAB=", "AAA=AAA=", " AAA", "AAAA====", "\xff\xff\xff\xff"})
    EXPECT_FALSE(decode_base64(bad)) << bad;
  EXPECT_FALSE(decode_base64(std::string_view("AA\0A", 4)));
}

TEST(KelpieRequest, AllOfThem) {
  EXPECT_EQ(parsed(R"({"type":"ping"})").act, KelpieAct::kPing);
  EXPECT_EQ(parsed(R"({"type":"shutdown"})").act, KelpieAct::kShutDown);
  auto read = parsed(R"({"type":"read_file","path":"/etc/hostname"})");
  EXPECT_EQ(read.act, KelpieAct::kReadFile);
  EXPECT_EQ(read.path, "/etc/hostname");
  auto write = parsed(R"({"contents":"AAECA/8=","path":"/test","type":"write_file"})");
  EXPECT_EQ(write.act, KelpieAct::kWriteFile);
  EXPECT_EQ(write.contents, std::string("\0\1\2\3\xff", 5));
  EXPECT_EQ(parsed(R"({"type":"write_file","path":"/x","contents":""})").contents, "");
  EXPECT_EQ(parsed(R"({"type":"list_dir","path":"/workspace"})").act, KelpieAct::kListDirectory);
}

TEST(KelpieRequest, ExecAsTheHostSendsIt) {
  auto exec = parsed(
      R"({"args":["-c","true"],"command":"sh","cwd":"/workspace","env":[["A","1"],["B","2=3"]],"timeout_ms":null,)"
      R"("type":"exec"})");
  EXPECT_EQ(exec.act, KelpieAct::kExec);
  EXPECT_EQ(exec.command, "sh");
  EXPECT_THAT(exec.arguments, ElementsAre("-c", "true"));
  EXPECT_THAT(exec.environment, ElementsAre("A=1", "B=2=3"));
  EXPECT_EQ(exec.working_directory, "/workspace");
  EXPECT_FALSE(exec.timeout_ms);
  EXPECT_FALSE(exec.input);
  auto plain = parsed(R"({"type":"exec","command":"echo","args":["hello"],"stdin":null})");
  EXPECT_FALSE(plain.working_directory);
  EXPECT_TRUE(plain.environment.empty());
  auto more = parsed(R"({"type":"exec","command":"cat","stdin":"a\u0000b","timeout_ms":18446744073709551615})");
  EXPECT_EQ(more.input, std::string("a\0b", 3));
  EXPECT_EQ(more.timeout_ms, UINT64_MAX);
  EXPECT_EQ(parsed(R"({"type":"exec","command":"\ud83d\ude00é"})").command, "\U0001F600\u00e9");
}

TEST(KelpieRequest, FieldsThatAreUnknownArePassedOver) {
  parsed(R"({"type":"ping","x":{"type":"exec","command":[1,{"args":2}]},"y":[[["z"]],null,true,1.5,-3]})");
  // Those of another request as well, whatever they are.
  parsed(R"({"type":"ping","command":5,"args":{},"env":null,"timeout_ms":-1,"contents":"!"})");
  EXPECT_EQ(parsed(R"( {"path":"/a" , "more":{"path":"/b"}, "type" : "list_dir"} )").path, "/a");
}

TEST(KelpieRequest, WhatIsMissingOrWrongIsNamed) {
  EXPECT_THAT(complaint("{}"), HasSubstr("no field `type`"));
  EXPECT_THAT(complaint(R"({"type":null})"), HasSubstr("null in field `type`"));
  EXPECT_THAT(complaint(R"({"type":"no_such"})"), HasSubstr("unknown request type `no_such`"));
  EXPECT_THAT(complaint(R"({"type":"ping","type":"ping"})"), HasSubstr("more than one field `type`"));
  EXPECT_THAT(complaint(R"({"type":"exec"})"), HasSubstr("no field `command`"));
  EXPECT_THAT(complaint(R"({"type":"exec","command":""})"), HasSubstr("`command`"));
  EXPECT_THAT(complaint(R"({"type":"read_file","path":"a\u0000b"})"), HasSubstr("NUL in field `path`"));
  EXPECT_THAT(complaint(R"({"type":"write_file","path":"/a"})"), HasSubstr("no field `contents`"));
  EXPECT_THAT(complaint(R"({"type":"write_file","path":"/a","contents":"A"})"), HasSubstr("base64"));
  auto exec = [](std::string_view more) {
    return complaint(R"({"type":"exec","command":"true",)" + std::string(more) + "}");
  };
  for (const char* bad : {R"("args":"x")", R"("args":[1])", R"("args":[null])", R"("args":[["x"]])", R"("args":[{}])",
                          R"("args":{"a":"b"})", R"("args":true)"})
    EXPECT_THAT(exec(bad), HasSubstr("wrong type in field `args`")) << bad;
  for (const char* bad : {R"("env":"A=1")", R"("env":["A=1"])", R"("env":[["A"]])", R"("env":[["A","1","2"]])",
                          R"("env":[["A",1]])", R"("env":[{"A":"1"}])", R"("env":{"A":"1"})", R"("env":[[["A","1"]]])",
                          R"("env":[[]])", R"("env":[["A",{"x":"y"}]])", R"("env":[null])"})
    EXPECT_THAT(exec(bad), HasSubstr("wrong type in field `env`")) << bad;
  for (const char* bad : {R"("env":[["","1"]])", R"("env":[["A=B","1"]])"})
    EXPECT_THAT(exec(bad), HasSubstr("in field `env`")) << bad;
  for (const char* bad : {"-1", "1.5", "\"5\"", "[]", "{}", "true", "18446744073709551616"})
    EXPECT_THAT(exec(R"("timeout_ms":)" + std::string(bad)), HasSubstr("wrong type in field `timeout_ms`")) << bad;
  EXPECT_THAT(exec(R"("cwd":"relative")"), HasSubstr("`cwd`"));
  EXPECT_THAT(exec(R"("cwd":5)"), HasSubstr("`cwd`"));
  EXPECT_THAT(exec(R"("stdin":5)"), HasSubstr("`stdin`"));
}

TEST(KelpieRequest, WhatIsNoJsonIsAnErrorOfBoundedLength) {
  for (std::string_view bad : {"",
                               " ",
                               "null",
                               "5",
                               "\"ping\"",
                               "[]",
                               "[{\"type\":\"ping\"}]",
                               "{",
                               "{\"type\":",
                               "{\"type\":\"ping\"}x",
                               "{\"type\":\"ping\",}",
                               "{'type':'ping'}",
                               "\xff\xfe",
                               "{\"type\":\"\xc3\"}",
                               "{\"type\":\"\xed\xa0\x80\"}",
                               R"({"type":"\ud800"})",
                               R"({"type":"\udc00\ud800"})",
                               R"({"type":"ping","x":1e999})",
                               "{\"type\":\"a\nb\"}",
                               R"({"type":"ping","x":NaN})",
                               R"({"type":"ping","x":01})",
                               R"({"x":tru})"})
    EXPECT_FALSE(complaint(bad).empty()) << bad;
  EXPECT_LT(complaint("{\"type\":\"" + std::string(1 << 20, 'x') + "\xff\"}").size(), 300u);
  EXPECT_LT(complaint("{\"type\":\"" + std::string(1 << 20, 'x') + "\"}").size(), 300u);
}

TEST(KelpieRequest, DepthAndCountsAreLimited) {
  auto nested = [](size_t depth) {
    return R"({"type":"ping","x":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  parsed(nested(kMostKelpieDepth - 1));
  EXPECT_THAT(complaint(nested(kMostKelpieDepth)), HasSubstr("128 deep"));
  complaint(nested(500'000));
  complaint(std::string(kMostKelpieRequest, '['));
  std::string objects;
  for (int depth = 0; depth < 500'000; ++depth) objects += R"({"a":)";
  complaint(objects);
  auto with_words = [](size_t count) {
    std::string text = R"({"type":"exec","command":"true","args":[)";
    for (size_t word = 0; word < count; ++word) text += word == 0 ? R"("")" : R"(,"")";
    return text + "]}";
  };
  EXPECT_EQ(parsed(with_words(kMostKelpieWords)).arguments.size(), kMostKelpieWords);
  EXPECT_THAT(complaint(with_words(kMostKelpieWords + 1)), HasSubstr("65536 arguments"));
}

// Changed at random: read or refused, and what is read keeps its promises.
TEST(KelpieRequest, RandomChangesDoNoHarm) {
  const std::string kSeeds[] = {
      R"({"args":["-c","true"],"command":"sh","cwd":"/w","env":[["A","1"],["B","2"]],"timeout_ms":5,"type":"exec"})",
      R"({"type":"write_file","path":"/test","contents":"AAECA/8=","x":[1,-2.5e3,{"y":null}]})"};
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = kSeeds[random() % std::size(kSeeds)];
    for (int change = 0; change < 3; ++change) {
      size_t at = random() % text.size();
      constexpr std::string_view kBytes = "[]{}\",:\\u0\xff\xc3 n-1";
      if (random() % 3 == 0)
        text.erase(at, 1);
      else
        text[at] = kBytes[random() % kBytes.size()];
    }
    auto request = parse_kelpie_request(text);
    if (!request) continue;
    EXPECT_EQ(request->path.find('\0'), std::string::npos);
    if (request->act == KelpieAct::kExec) {
      EXPECT_FALSE(request->command.empty());
    }
  }
}

}  // namespace
}  // namespace cloche::agent
