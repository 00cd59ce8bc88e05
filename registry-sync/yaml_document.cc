// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/yaml_document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cerrno>
#include <cstring>
#include <sstream>

namespace weft::registry {
namespace {

/// Thrown through yaml-cpp, which knows no other way to stop, and caught in for_each_document().
struct Refusal {
  uint32_t line;
  std::string message;
};

std::string too_many_values() {
  return "a document may have at most " + std::to_string(kMaxNodes) + " values: split it into several";
}

/// The line on which a document exceeds kMaxNodes of the characters that its tokens take, if one does.
///
/// Inside brackets, yaml-cpp's scanner queues all tokens up to the closing one before it emits an event, at about 250
/// bytes each: without this bound, 16 MiB of "[" take more than 4 GiB before the first chance to refuse them.
std::optional<uint32_t> find_excess(std::string_view text) {
  size_t indicators = 0;
  uint32_t line = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '[':
      case ']':
      case '{':
      case '}':
      case ',':
      case ':':
      case '?':
        if (++indicators > kMaxNodes) {
          return line;
        }
        break;
      case '\n':
        ++line;
        // A new document, wherever the scanner thinks it is.
        if (const std::string_view rest = text.substr(i + 1); rest.starts_with("---\n") || rest.starts_with("--- ")) {
          indicators = 0;
        }
        break;
      default:
        break;
    }
  }
  return std::nullopt;
}

uint32_t line_of(const YAML::Mark& mark) {
  return mark.line < 0 ? 0 : static_cast<uint32_t>(mark.line) + 1;
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  /// The document that was just handled.
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {
    open_.clear();
    nodes_ = 0;
    root_ = {};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(node(YamlNode::Kind::null, mark)); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{line_of(mark), "aliases are not accepted: write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    // yaml-cpp says "?" for a plain scalar and "!" for a quoted one.
    if (tag != "?" && tag != "!") {
      refuse_tag(mark, tag);
    }
    YamlNode scalar = node(YamlNode::Kind::scalar, mark);
    scalar.quoted = tag == "!";
    scalar.text = value;
    add(std::move(scalar));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::mapping, mark, tag);
  }
  void OnMapEnd() override { close(); }

 private:
  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    throw Refusal{line_of(mark), "tags are not accepted: remove " + in_quotes(tag)};
  }

  YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kMaxNodes) {
      throw Refusal{line_of(mark), too_many_values()};
    }
    YamlNode result;
    result.kind = kind;
    result.line = line_of(mark);
    return result;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      refuse_tag(mark, tag);
    }
    if (open_.size() == kMaxDepth) {
      throw Refusal{line_of(mark), "lists and mappings may be nested at most " + std::to_string(kMaxDepth) + " deep"};
    }
    open_.push_back(node(kind, mark));
  }

  void close() {
    YamlNode closed = std::move(open_.back());
    open_.pop_back();
    add(std::move(closed));
  }

  void add(YamlNode child) {
    if (open_.empty()) {
      root_ = std::move(child);
      return;
    }
    YamlNode& parent = open_.back();
    const bool is_key = parent.kind == YamlNode::Kind::mapping && parent.keys.size() == parent.items.size();
    (is_key ? parent.keys : parent.items).push_back(std::move(child));
  }

  std::vector<YamlNode> open_;  ///< the lists and mappings around the next event, outermost first
  YamlNode root_;
  size_t nodes_ = 0;
};

}  // namespace

void for_each_document(std::string_view file, std::string_view text, std::vector<Diagnostic>& errors,
                       const std::function<void(const YamlNode&)>& each) {
  const auto refuse = [&](uint32_t line, std::string message) {
    report(errors, {.file = std::string(file), .line = line, .message = std::move(message)});
  };
  if (text.size() > kMaxFileBytes) {
    return refuse(0, "a file may have at most " + std::to_string(kMaxFileBytes) + " bytes");
  }
  if (text.find('\0') != std::string_view::npos) {
    return refuse(0, "not UTF-8 text: it contains a NUL byte");
  }
  if (const std::optional<uint32_t> line = find_excess(text)) {
    return refuse(*line, too_many_values());
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    for (size_t documents = 0; parser.HandleNextDocument(builder); ++documents) {
      const YamlNode document = builder.take();
      if (documents == kMaxDocuments) {
        return refuse(document.line, "a file may have at most " + std::to_string(kMaxDocuments) + " documents");
      }
      if (document.kind != YamlNode::Kind::null) {
        each(document);
      }
    }
  } catch (const Refusal& refusal) {
    refuse(refusal.line, refusal.message);
  } catch (const YAML::Exception& error) {
    refuse(line_of(error.mark), "not valid YAML: " + escaped(error.msg, 200));
  } catch (const std::exception& error) {
    refuse(0, "not readable as YAML: " + escaped(error.what(), 200));
  }
}

std::optional<YamlNode> read_document(std::string_view file, std::string_view text, std::vector<Diagnostic>& errors) {
  std::optional<YamlNode> only;
  const size_t errors_before = errors.size();
  for_each_document(file, text, errors, [&](const YamlNode& document) {
    if (only) {
      report(errors,
             {.file = std::string(file), .line = document.line, .message = "expected one document, got another"});
    }
    only = document;
  });
  if (errors.size() > errors_before) {
    return std::nullopt;
  }
  if (!only) {
    report(errors, {.file = std::string(file), .message = "expected one document, got none"});
  }
  return only;
}

tl::expected<std::string, ReadFailure> read_text_file(const std::filesystem::path& path) {
  const auto failure = [](int error) {
    return tl::make_unexpected(ReadFailure{error == ENOENT ? ReadError::missing : ReadError::unreadable,
                                           std::string("cannot be read: ") + std::strerror(error)});
  };
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    return failure(errno);
  }
  struct stat status {};
  std::string text;
  int error = fstat(file, &status) == 0 ? 0 : errno;
  const bool regular = S_ISREG(status.st_mode);
  while (error == 0 && regular && text.size() <= kMaxFileBytes) {
    constexpr size_t kChunk = size_t{64} << 10;
    const size_t before = text.size();
    text.resize(before + kChunk);
    const ssize_t count = read(file, text.data() + before, kChunk);
    text.resize(before + static_cast<size_t>(count > 0 ? count : 0));
    if (count == 0) {
      break;
    }
    error = count < 0 && errno != EINTR ? errno : 0;
  }
  close(file);
  if (error != 0) {
    return failure(error);
  }
  if (!regular) {
    return tl::make_unexpected(ReadFailure{ReadError::unreadable, "cannot be read: not a regular file"});
  }
  if (text.size() > kMaxFileBytes) {
    return tl::make_unexpected(ReadFailure{
        ReadError::unreadable, "too large: a file may have at most " + std::to_string(kMaxFileBytes) + " bytes"});
  }
  return text;
}

}  // namespace weft::registry
