// SPDX-License-Identifier: Apache-2.0
#include <llhttp.h>

#include "reading.h"

namespace weft::http::test {
namespace {

struct Reader {
  llhttp_t parser;
  Side side;
  Reading reading;
  Message message;
  bool has_head = false;
};

Reader& reader_of(llhttp_t* parser) {
  return *static_cast<Reader*>(parser->data);
}

/// llhttp leaves white space behind a value, and so leaves it to its caller.
std::string without_blanks_behind(const std::string& value) {
  return value.substr(0, value.find_last_not_of(" \t") + 1);
}

int begin(llhttp_t* parser) {
  reader_of(parser).message = {};
  reader_of(parser).has_head = false;
  return 0;
}

int add_name(llhttp_t* parser, const char* at, size_t length) {
  Reader& reader = reader_of(parser);
  if (!reader.has_head) {  // a trailer is none of the head's
    auto& fields = reader.message.fields;
    if (fields.empty() || !fields.back().second.empty()) {
      fields.emplace_back("", "");
    }
    fields.back().first.append(at, length);
  }
  return 0;
}

int add_value(llhttp_t* parser, const char* at, size_t length) {
  Reader& reader = reader_of(parser);
  if (!reader.has_head) {
    reader.message.fields.back().second.append(at, length);
  }
  return 0;
}

/// A value that is not empty says that the next name begins another field.
int end_value(llhttp_t* parser) {
  Reader& reader = reader_of(parser);
  if (!reader.has_head) {
    reader.message.fields.back().second += '\n';
  }
  return 0;
}

int end_head(llhttp_t* parser) {
  Reader& reader = reader_of(parser);
  Message& message = reader.message;
  reader.has_head = true;
  for (auto& [name, value] : message.fields) {
    value = without_blanks_behind(value.substr(0, value.size() - 1));
  }
  if (reader.side == Side::request) {
    message.method = llhttp_method_name(static_cast<llhttp_method_t>(parser->method));
  } else {
    message.status = parser->status_code;
  }
  message.minor_version = parser->http_minor;
  const bool to_head = reader.side == Side::response_to_head;
  const bool has_none =
      to_head || (reader.side == Side::response &&
                  (parser->status_code < 200 || parser->status_code == 204 || parser->status_code == 304));
  message.is_chunked = !has_none && (parser->flags & F_CHUNKED) != 0;
  message.length = !has_none && (parser->flags & F_CONTENT_LENGTH) != 0 ? parser->content_length : 0;
  message.ends_with_connection = reader.side != Side::request && !has_none && llhttp_message_needs_eof(parser) != 0;
  message.keeps_alive = llhttp_should_keep_alive(parser) != 0;
  return has_none ? 1 : 0;  // llhttp leaves it to its caller to know the status
}

int add_body(llhttp_t* parser, const char* at, size_t length) {
  reader_of(parser).message.body.append(at, length);
  return 0;
}

int end_message(llhttp_t* parser) {
  Reader& reader = reader_of(parser);
  reader.message.is_whole = true;
  reader.message.keeps_alive =
      llhttp_should_keep_alive(parser) != 0;  // now it knows that a response to HEAD has no body
  reader.reading.messages.push_back(std::move(reader.message));
  reader.has_head = false;
  return HPE_PAUSED;
}

int add_target(llhttp_t* parser, const char* at, size_t length) {
  reader_of(parser).message.target.append(at, length);
  return 0;
}

}  // namespace

Reading llhttp_reading(std::string_view stream, Side side) {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_message_begin = begin;
    settings.on_url = add_target;
    settings.on_header_field = add_name;
    settings.on_header_value = add_value;
    settings.on_header_value_complete = end_value;
    settings.on_headers_complete = end_head;
    settings.on_body = add_body;
    settings.on_message_complete = end_message;
    return settings;
  }();
  Reader reader{.side = side};
  llhttp_init(&reader.parser, side == Side::request ? HTTP_REQUEST : HTTP_RESPONSE, &kSettings);
  reader.parser.data = &reader;
  const char* at = stream.data();
  const char* const end = at + stream.size();
  while (at < end) {
    const llhttp_errno_t error = llhttp_execute(&reader.parser, at, static_cast<size_t>(end - at));
    if (error == HPE_OK) {
      break;
    }
    at = llhttp_get_error_pos(&reader.parser);
    if (error == HPE_PAUSED) {
      reader.reading.messages.back().end = static_cast<size_t>(at - stream.data());
      llhttp_resume(&reader.parser);
    } else if (error == HPE_PAUSED_UPGRADE) {  // what follows is not HTTP any more
      break;
    } else {
      reader.reading.error = llhttp_errno_name(error);
      break;
    }
  }
  if (reader.has_head) {
    reader.reading.messages.push_back(std::move(reader.message));
  }
  return reader.reading;
}

}  // namespace weft::http::test
