//! Rooms by API, with publishers and receivers that are real: ffmpeg, and HTTP servers.

mod keys;
mod members;
mod once;
mod openapi;
mod rooms;
mod rules;
mod stop;
mod studio;
mod webhooks;
